/**
 * The site's end of the link, turned by hand: it dials the gateway for real and speaks the real
 * link, but what it answers is up to the test.
 */
import { constants, type ServerHttp2Stream } from 'node:http2'
import {
  batchBounds,
  CALLER_HEADER,
  Caller,
  type ContentReport,
  type GatewayConfiguration,
  type GatewayContent,
  gatewayUri,
  LINK_BULK,
  LINK_CONTROL,
  type LinkEvent,
  linkPaths,
  PARAMETERS_HEADER,
  readRequestBatch,
  type StoredObject,
  type TrafficReport,
  writeAnswerFrame,
} from '@sluice/protocol'
import { dialGateway } from '../../../site/src/connector/dial.ts'
import { createLinkSession, type LinkCall, type LinkSession } from '../../../site/src/connector/link-session.ts'
import { sendBytes } from '../../../site/src/connector/send-bytes.ts'
import type { Credentials } from './authorities.ts'

export interface Relayed {
  routeId: string
  caller: Caller
  parameters: unknown
  body: Buffer
  /** Headers as they came over the link. */
  headers: LinkCall['headers']
  signal: AbortSignal
}

export interface HandSite {
  configuration: GatewayConfiguration
  contents: { content: GatewayContent; objects: StoredObject[] }[]
  /** Bytes by `kind/hash`, as the bulk connection gives them: right or wrong. */
  objects: Map<string, Buffer>
  /** Answers what is relayed; the default echoes route and caller. */
  onRelay: (relayed: Relayed) => Promise<{ status: number; contentType: string; body: Buffer; lengthBytes?: number }>
  /** Instead of answering what came together: to refuse, or break off. Returns whether it did. */
  onTogether: (requests: number, stream: ServerHttp2Stream) => boolean
  /** Instead of answering with the object: to break off, stall, or lie. Returns whether it did. */
  onObject: (name: string, start: number, stream: ServerHttp2Stream) => boolean
  relayed: Relayed[]
  /** Objects asked for, as `kind/hash@start`. */
  pulled: string[]
  contentReports: ContentReport[]
  trafficReports: TrafficReport[]
  connect(port: number, kinds?: ('control' | 'bulk')[]): Promise<void>
  say(event: LinkEvent): void
  /** Cuts the connections; the gateway is told nothing. */
  cut(kinds?: ('control' | 'bulk')[]): void
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value))

export function createHandSite(options: {
  configuration: GatewayConfiguration
  gatewayAuthority: string
  credentials: Credentials
  /** Which of several processes of the site it is. */
  instance?: string
}): HandSite {
  const uri = gatewayUri(options.configuration.siteId, options.configuration.gatewayId)
  const sessions = new Map<'control' | 'bulk', LinkSession>()
  const eventStreams = new Set<ServerHttp2Stream>()

  const site: HandSite = {
    configuration: options.configuration,
    contents: [],
    objects: new Map(),
    onRelay: async ({ routeId, caller, parameters }) => ({
      status: 200,
      contentType: 'application/json',
      body: json({ routeId, caller, parameters }),
    }),
    onTogether: () => false,
    onObject: () => false,
    relayed: [],
    pulled: [],
    contentReports: [],
    trafficReports: [],

    async connect(port, kinds = ['control', 'bulk']) {
      for (const kind of kinds) {
        const socket = await dialGateway({
          address: `127.0.0.1:${port}`,
          protocol: kind === 'control' ? LINK_CONTROL : LINK_BULK,
          credentials: options.credentials,
          gatewayAuthority: options.gatewayAuthority,
          gatewayUri: uri,
          signal: new AbortController().signal,
        })
        if (!socket.ok) throw new Error(socket.problem.detail)
        sessions.set(
          kind,
          createLinkSession(socket.value, (call) => void answer(call).catch(() => call.stream.close())),
        )
      }
    },
    say(event) {
      for (const stream of eventStreams) stream.write(`${JSON.stringify(event)}\n`)
    },
    cut(kinds = ['control', 'bulk']) {
      for (const kind of kinds) sessions.get(kind)?.destroy('cut')
    },
  }

  async function answer(call: LinkCall): Promise<void> {
    const { path, stream } = call
    if (path === linkPaths.instance) {
      stream.respond({ ':status': 200 })
      stream.end(json({ instance: options.instance ?? 'only' }))
    } else if (path === linkPaths.events) {
      stream.respond({ ':status': 200 })
      eventStreams.add(stream)
      stream.once('close', () => eventStreams.delete(stream))
      stream.write(`${JSON.stringify({ kind: 'configuration', configuration: site.configuration })}\n`)
    } else if (path.startsWith(linkPaths.relay)) {
      const header = (name: string) =>
        JSON.parse(Buffer.from(String(call.headers[name]), 'base64url').toString()) as unknown
      const relayed: Relayed = {
        routeId: path.slice(linkPaths.relay.length),
        caller: Caller.parse(header(CALLER_HEADER)),
        parameters: header(PARAMETERS_HEADER),
        body: (await call.readBody(64 * 1024 * 1024)) ?? Buffer.alloc(0),
        headers: call.headers,
        signal: call.signal,
      }
      site.relayed.push(relayed)
      const { status, contentType, body, lengthBytes } = await site.onRelay(relayed)
      if (stream.closed) return
      stream.respond({ ':status': status, 'content-type': contentType, 'content-length': lengthBytes ?? body.length })
      await sendBytes(stream, body)
    } else if (path.startsWith(linkPaths.relays)) await answerTogether(call)
    else if (path === linkPaths.contents)
      lines(
        stream,
        site.contents.map(({ content }) => content),
      )
    else if (path.startsWith(linkPaths.contentObjects))
      lines(stream, site.contents.find(({ content }) => path.endsWith(content.contentId))?.objects ?? [])
    else if (path === linkPaths.contentReports) {
      site.contentReports.push(JSON.parse(String(await call.readBody(65536))) as ContentReport)
      stream.respond({ ':status': 200 }, { endStream: true })
    } else if (path === linkPaths.trafficReports) {
      site.trafficReports.push(JSON.parse(String(await call.readBody(65536))) as TrafficReport)
      stream.respond({ ':status': 200 }, { endStream: true })
    } else if (path.startsWith(linkPaths.objects)) giveObject(call)
    else stream.close(constants.NGHTTP2_REFUSED_STREAM)
  }

  async function answerTogether({ path, headers, stream, signal, readBody }: LinkCall): Promise<void> {
    const requests = readRequestBatch((await readBody(batchBounds.bytes)) ?? Buffer.alloc(0)) ?? []
    const routeId = path.slice(linkPaths.relays.length)
    if (site.onTogether(requests.length, stream)) return
    stream.respond({ ':status': 200 })
    const answers = requests.map(async ({ caller, body }, i) => {
      const relayed = { routeId, caller, parameters: {}, body: Buffer.from(body), headers, signal }
      site.relayed.push(relayed)
      const { status, contentType, body: answer } = await site.onRelay(relayed)
      if (!stream.closed) stream.write(writeAnswerFrame(i, status, contentType, answer))
    })
    await Promise.all(answers)
    stream.end()
  }

  function giveObject({ path, headers, stream }: LinkCall): void {
    const name = path.slice(linkPaths.objects.length)
    const start = Number(/^bytes=(\d+)-$/.exec(String(headers.range ?? ''))?.[1] ?? 0)
    site.pulled.push(`${name}@${start}`)
    if (site.onObject(name, start, stream)) return
    const bytes = site.objects.get(name)
    if (bytes === undefined) {
      stream.respond({ ':status': 410, 'content-type': 'application/problem+json' })
      stream.end(json({ code: 'PACK_GONE', title: 'gone', detail: name, retry: 'now' }))
      return
    }
    stream.respond({ ':status': start > 0 ? 206 : 200, 'content-length': bytes.length - start })
    stream.end(bytes.subarray(start))
  }

  return site
}

function lines(stream: ServerHttp2Stream, list: unknown[]): void {
  stream.respond({ ':status': 200 })
  stream.end(list.map((one) => `${JSON.stringify(one)}\n`).join(''))
}
