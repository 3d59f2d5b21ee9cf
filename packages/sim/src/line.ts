/**
 * The inner half of the line on one machine, as separate processes over real TLS: a site, and a
 * content-enabled gateway that the site's connector dials. The demo and the scenarios stand on it;
 * what they do, they do through the admin API. The parts keep their ports, so one can be stopped
 * and started again as in life.
 */
import { access, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setDefaultCACertificates } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { joinSite } from '@sluice/gateway'
import { type AdminClient, createAdminClient, type GatewayId, silentLog } from '@sluice/protocol'
import { z } from 'zod'
import { linkUp, must } from './administrator.ts'
import { type Part, startPart } from './child-process.ts'
import type { LinePorts } from './ports.ts'

const script = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

type Environment = Readonly<Record<string, string>>

const JOIN_TIMEOUT_MS = 60_000

/** What the site leaves in its data folder for the command line. */
const AdminConnection = z.object({ url: z.url(), authority: z.string(), tokenFile: z.string() })

export interface LinePart {
  /** @param more further words on the command line; @param preload module that it loads before its own */
  start(more?: readonly string[], preload?: URL): Promise<void>
  stop(): Promise<void>
  kill(): Promise<void>
  /** Of the process that runs. */
  pid(): Promise<number>
}

export interface Line {
  ports: LinePorts
  admin: AdminClient
  gatewayId: GatewayId
  /** File for `sluice --connection`. */
  connectionFile: string
  site: LinePart
  gateway: LinePart
}

/**
 * Brings up site and gateway in `folder`, which is made when absent and used again when it is there.
 * @param options.resources take the parts, and end them in the right order
 * @param options.log one line a thing that happened
 */
export async function startLine(options: {
  folder: string
  ports: LinePorts
  resources: AsyncDisposableStack
  /** Port that devices are told to use, where something lies between them and the gateway. */
  advertisedPort?: number
  /** Address of this machine at which devices find the gateway; loopback unless said otherwise. */
  host?: string
  /** Of the processes, beside what this one has. */
  environments?: { site: Environment; gateway: Environment }
  log?: (line: string) => void
}): Promise<Line> {
  const { folder, ports, resources, advertisedPort = ports.device, host = '127.0.0.1', log = () => {} } = options
  const { environments = { site: {}, gateway: {} } } = options
  const site = await sitePart(folder, ports, environments.site)
  resources.defer(() => site.stop())
  await site.start()
  const connectionFile = join(folder, 'site/admin-connection.json')
  const connection = AdminConnection.parse(JSON.parse(await readFile(connectionFile, 'utf8')))
  setDefaultCACertificates([await readFile(connection.authority, 'utf8')])
  const admin = createAdminClient({
    baseUrl: connection.url,
    token: (await readFile(connection.tokenFile, 'utf8')).trim(),
    fetch,
  })
  log(`site at ${connection.url}`)

  const gateway = await gatewayPart(folder, ports, { host, port: advertisedPort }, admin, environments.gateway)
  resources.defer(() => gateway.part.stop())
  await gateway.part.start()
  await linkUp(admin, gateway.id)
  log(`gateway at https://${host}:${ports.device}, linked`)

  return {
    ports,
    admin,
    gatewayId: gateway.id,
    connectionFile,
    site,
    gateway: gateway.part,
  }
}

async function sitePart(folder: string, ports: LinePorts, environment: Environment): Promise<LinePart> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const configuration = join(folder, 'site.json')
  await writeJson(configuration, {
    dataFolder: join(folder, 'site'),
    name: 'Sluice demo',
    admin: { host: '127.0.0.1', port: ports.admin },
  })
  return partOf(script('site/bin/sluice-site.ts'), configuration, join(folder, 'site.log'), environment)
}

async function gatewayPart(
  folder: string,
  ports: LinePorts,
  advertised: { host: string; port: number },
  admin: AdminClient,
  environment: Environment,
): Promise<{ id: GatewayId; part: LinePart }> {
  const home = join(folder, 'gateway')
  const configuration = join(home, 'gateway.json')
  const part = partOf(script('gateway/bin/sluice-gateway.ts'), configuration, join(folder, 'gateway.log'), environment)
  const known = must(await admin.call('gateways')).find((gateway) => gateway.name === 'demo-gateway')
  if (known && (await exists(configuration))) return { id: known.id, part }

  const { gatewayId, code } = must(
    await admin.call('createGateway', {
      body: {
        name: 'demo-gateway',
        kind: 'internet',
        deviceUrl: `https://${advertised.host}:${advertised.port}`,
        enrolmentUrl: `https://${advertised.host}:${ports.enrolment}`,
        linkAddress: `127.0.0.1:${ports.link}`,
        serveContent: true,
      },
    }),
  )
  const signal = AbortSignal.timeout(JOIN_TIMEOUT_MS)
  must(await joinSite({ code, folder: home, host: '127.0.0.1', log: silentLog, signal }))
  const listen = (port: number, host = advertised.host) => ({ host, port })
  await writeJson(configuration, {
    ...JSON.parse(await readFile(configuration, 'utf8')),
    // What devices are told may not be where it listens.
    listeners: {
      enrolment: listen(ports.enrolment),
      device: listen(ports.device),
      link: listen(ports.link, '127.0.0.1'),
    },
  })
  return { id: gatewayId, part }
}

function partOf(file: string, configuration: string, logPath: string, environment: Environment): LinePart {
  // The promise is kept, so that a part that is just starting can be ended too.
  let running: Promise<Part> | undefined
  const end = async (how: 'stop' | 'kill') => {
    const part = await running?.catch(() => undefined)
    running = undefined
    await part?.[how]()
  }
  return {
    async start(more = [], preload) {
      running ??= startPart(file, configuration, logPath, more, preload, environment)
      await running
    },
    stop: () => end('stop'),
    kill: () => end('kill'),
    async pid() {
      const part = await running
      if (part === undefined) throw new Error('it does not run')
      return part.pid
    },
  }
}

const writeJson = (path: string, value: unknown) =>
  writeFile(path, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )
