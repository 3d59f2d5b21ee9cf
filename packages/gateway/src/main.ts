/** The gateway as a process: joins its site, or reads its configuration, says when it is ready, ends when told to. */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Problem } from '@sluice/protocol'
import { createGateway, type GatewayPorts } from './gateway.ts'
import { joinSite } from './join.ts'
import { createLog } from './log.ts'
import { type GatewayConfig, readGatewayConfig } from './settings/config.ts'
import { CONFIG_VARIABLE } from './settings/environment.ts'

/** Of a join code. */
const MAX_CODE_CHARACTERS = 40_000
const USAGE = `sluice-gateway --config <file.json>       runs it; without the option, the file is in SLUICE_GATEWAY_CONFIG
sluice-gateway join --folder <folder> [--listen <host>] [<code>]
                                          makes a gateway of a new folder; without the code, it is read from standard input`

/** Runs until SIGTERM or SIGINT. Sets the exit code: 0 after a proper end, 1 when it could not start. */
export async function main(args: string[]): Promise<void> {
  if (args[0] === 'join') return await runJoin(args.slice(1))
  const file = configFile(args)
  if (file === undefined) return end(USAGE)
  const read = await readGatewayConfig(file, process.env)
  if (!read.ok) return end(describe(read.problem))
  const log = createLog((line) => process.stderr.write(`${line}\n`))
  const { certificateFile, keyFile } = read.value.config
  const certificateFiles = { certificate: certificateFile, key: keyFile }
  const gateway = await createGateway({ ...read.value, certificateFiles, log })
  if (!gateway.ok) return end(describe(gateway.problem))
  const { ports, stop } = gateway.value

  const ended = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
  process.stdout.write(`${JSON.stringify({ ready: true, ...addresses(read.value.config, ports) })}\n`)
  log.info('gateway.ready', { ...ports })
  log.info('gateway.ending', { signal: await ended })
  await stop()
  log.info('gateway.ended')
}

/** Waits until the site dials, SIGTERM or SIGINT. */
async function runJoin(args: string[]): Promise<void> {
  const asked = joinArguments(args)
  if (asked === undefined) return end(USAGE)
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())
  const log = createLog((line) => process.stderr.write(`${line}\n`))
  const code = asked.code ?? (await readAll(process.stdin))
  try {
    const joined = await joinSite({ ...asked, code, log, signal: stop.signal })
    if (!joined.ok) return end(describe(joined.problem))
    process.stdout.write(`${JSON.stringify({ joined: true, configuration: joined.value })}\n`)
  } catch (thrown) {
    if (!stop.signal.aborted) throw thrown
    end('given up')
  }
}

function joinArguments(args: string[]): { code: string | undefined; folder: string; host: string } | undefined {
  try {
    const options = { folder: { type: 'string' }, listen: { type: 'string', default: '0.0.0.0' } } as const
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
    if (values.folder === undefined || positionals.length > 1) return undefined
    return { code: positionals[0], folder: resolve(values.folder), host: values.listen }
  } catch {
    return undefined
  }
}

async function readAll(input: NodeJS.ReadStream): Promise<string> {
  let text = ''
  for await (const chunk of input.setEncoding('utf8')) {
    text += chunk
    if (text.length > MAX_CODE_CHARACTERS) break
  }
  return text
}

function configFile(args: string[]): string | undefined {
  try {
    return parseArgs({ args, options: { config: { type: 'string' } } }).values.config ?? process.env[CONFIG_VARIABLE]
  } catch {
    return undefined
  }
}

function addresses({ listeners, management }: GatewayConfig, ports: GatewayPorts) {
  const hosts = Object.entries({ ...listeners, management })
  return Object.fromEntries(
    hosts.flatMap(([name, address]) =>
      address === undefined ? [] : [[name, { host: address.host, port: portOf(ports, name) }]],
    ),
  )
}

const portOf = (ports: GatewayPorts, name: string) =>
  name === 'shared' ? ports.device : ports[name as keyof GatewayPorts]

const describe = ({ code, detail }: Problem): string => `${code}: ${detail}`

function end(why: string): void {
  process.stderr.write(`${why}\n`)
  process.exitCode = 1
}
