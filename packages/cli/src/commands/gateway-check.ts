/**
 * `sluice gateway check`: the way of a device to its site, hop by hop; for a gateway that the site knows also
 * what the site says of it.
 */
import { checkGateway, type Hop, hopLines, isFault } from '@sluice/content/gateway-check'
import { ContentId, EnrolmentBundle, LinkProxyCredentials } from '@sluice/protocol'
import { type Command, CommanderError } from 'commander'
import { siteView } from '../connect/site-view.ts'
import { failLocally } from '../local-failure.ts'
import { readLocalFile } from '../local-file.ts'
import type { Session } from '../run.ts'
import { wholeNumber } from '../terminal/options.ts'
import { secretFile } from '../terminal/secret-file.ts'

interface CheckOptions {
  bundle?: string
  gatewayAuthority?: string
  certificate?: string
  key?: string
  content?: string
  enrolmentUrl?: string
  proxy?: string
  proxyCredentials?: string
  hold: number
}

/** Where the gateway is, and whose certificate it must have. */
interface Target {
  deviceUrl: string
  enrolmentUrl: string
  authorities: string[]
}

const MAX_FILE_BYTES = 1024 * 1024

export function addGatewayCheck(group: Command, session: Session): void {
  group
    .command('check')
    .description('looks at every hop from a device to its site, and says what is wrong and what to change')
    .argument(
      '<gateway>',
      'its name or id at the site, or its address, as in https://gateway.example: then no site is needed',
    )
    .option(
      '--bundle <file>',
      'enrolment bundle, as of `sluice devices token`: says whom devices trust; its token is not used up',
    )
    .option(
      '--gateway-authority <pem>',
      'authority that signed the certificate of the gateway (default: of the bundle, or those of this computer)',
    )
    .option('--certificate <pem>', 'certificate of a device, to look further; with --key')
    .option('--key <pem>', 'its key')
    .option('--content <id>', 'content that this device may fetch: some of its bytes are fetched')
    .option('--enrolment-url <url>', 'where computers enrol, when that is another')
    .option('--proxy <url>', 'HTTP proxy between, as in http://proxy.example:3128')
    .option('--proxy-credentials <file>', 'file with name:password for it')
    .option('--hold <seconds>', 'how long a quiet connection must live', wholeNumber(1, 110), 10)
    .action(async (wanted: string, options: CheckOptions): Promise<void> => {
      const hops: Hop[] = []
      const tell = (hop: Hop): void => {
        hops.push(hop)
        if (!session.out.json) session.out.result(hop, () => hopLines(hop))
      }
      let target: Target
      if (wanted.includes('://')) target = await targetOf(wanted, options)
      else {
        const site = await session.site()
        const [id] = await site.gateways([wanted])
        const gateway = (await site.call('gateways')).find((one) => one.id === id)
        if (gateway === undefined) return failLocally(`There is no gateway ${wanted}.`)
        for (const hop of await siteView(site, gateway, Date.now())) tell(hop)
        const { deviceUrl, enrolmentUrl } = gateway
        const given = await authoritiesOf(options)
        // Whoever may not see enrolment bundles at the site gives one.
        const authorities = given.length > 0 ? given : [(await site.call('enrolmentBundle')).gatewayAuthority]
        target = { deviceUrl, enrolmentUrl, authorities }
      }
      const check = {
        ...target,
        credentials: await credentialsOf(options),
        proxyUrl: await proxyOf(options),
        contents: contentsOf(options),
        holdMs: options.hold * 1000,
        ...{ now: Date.now, signal: session.signal },
      }
      for await (const hop of checkGateway(check)) tell(hop)
      const faults = hops.filter(isFault).length
      const summary = { gateway: wanted, faults, hops }
      if (session.out.json) session.out.result(summary, () => [])
      else session.out.result(summary, () => ['', faults === 0 ? 'No fault was found.' : `Faults: ${faults}.`])
      // What is wrong was said.
      if (faults > 0) throw new CommanderError(1, 'sluice.fault', '')
    })
}

async function targetOf(deviceUrl: string, options: CheckOptions): Promise<Target> {
  const enrolmentUrl = options.enrolmentUrl ?? deviceUrl
  for (const url of [deviceUrl, enrolmentUrl])
    if (!URL.canParse(url) || new URL(url).protocol !== 'https:') failLocally(`${url} is not an https address.`)
  return { deviceUrl, enrolmentUrl, authorities: await authoritiesOf(options) }
}

/** Those that the options name. */
async function authoritiesOf({ gatewayAuthority, bundle }: CheckOptions): Promise<string[]> {
  return [
    ...(gatewayAuthority === undefined ? [] : [await readPem(gatewayAuthority)]),
    ...(bundle === undefined ? [] : [await authorityOf(bundle)]),
  ]
}

async function authorityOf(file: string): Promise<string> {
  const parsed = EnrolmentBundle.safeParse(parsedJson(await readText(file)))
  return parsed.success ? parsed.data.gatewayAuthority : failLocally(`${file} is no enrolment bundle.`)
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function credentialsOf({ certificate, key }: CheckOptions) {
  if (certificate === undefined && key === undefined) return undefined
  if (certificate === undefined || key === undefined) return failLocally('Give both --certificate and --key.')
  return { certificate: await readPem(certificate), key: await readPem(key) }
}

async function proxyOf({ proxy, proxyCredentials: file }: CheckOptions): Promise<string | undefined> {
  if (proxy === undefined)
    return file === undefined ? undefined : failLocally('--proxy-credentials: give --proxy with it.')
  if (!URL.canParse(proxy) || new URL(proxy).protocol !== 'http:') return failLocally('--proxy: give an http address.')
  const url = new URL(proxy)
  if (url.username !== '' || url.password !== '')
    return failLocally('A password is no word of the command, where others could read it: give --proxy-credentials.')
  if (file === undefined) return proxy
  const read = LinkProxyCredentials.shape.credentials.safeParse(await secretFile(file))
  if (!read.success) return failLocally(`${file} does not hold one line name:password.`)
  const split = read.data.indexOf(':')
  url.username = encodeURIComponent(read.data.slice(0, split))
  url.password = encodeURIComponent(read.data.slice(split + 1))
  return url.href
}

function contentsOf({ content }: CheckOptions): ContentId[] {
  if (content === undefined) return []
  const parsed = ContentId.safeParse(content)
  return parsed.success ? [parsed.data] : failLocally(`${content} is no id of a content.`)
}

async function readPem(file: string): Promise<string> {
  const text = await readText(file)
  return text.includes('-----BEGIN ') ? text : failLocally(`${file} holds no PEM.`)
}

async function readText(file: string): Promise<string> {
  return (await readLocalFile(file, MAX_FILE_BYTES)).toString('utf8')
}
