/** What a gateway may ask over the link, and what it is answered. Everything else is refused. */
import {
  batchBounds,
  CALLER_HEADER,
  Caller,
  CertificateRenewal,
  ContentId,
  ContentReport,
  type DeviceRoute,
  deviceRoutes,
  fail,
  type GatewayCertificate,
  type GatewayId,
  type LinkInstance,
  linkBounds,
  linkPaths,
  ObjectKind,
  PARAMETERS_HEADER,
  ProblemError,
  problem,
  readRequestBatch,
  Sha256,
  TrafficReport,
} from '@sluice/protocol'
import { z } from 'zod'
import type { DevicePlane } from '../device-plane/device-plane.ts'
import type { Gateway } from '../gateways/gateways.ts'
import type { Log } from '../log.ts'
import { badRequest, parseJson, problemOf, problemReply } from '../problem-document.ts'
import { answerTogether } from './answer-together.ts'
import type { ContentSource } from './content-source.ts'
import { answerJson, type LinkCall } from './link-session.ts'
import { sendBytes, sendLines, sendStream } from './send-bytes.ts'

export type LinkKind = 'control' | 'bulk'

export interface LinkRoutesOptions {
  gateway: Gateway
  /** Names this process. */
  instance: string
  devicePlane: DevicePlane
  content: ContentSource
  /** Signs the gateway's key anew. */
  renew: (id: GatewayId, request: { csr: string }) => Promise<GatewayCertificate>
  recordTraffic: (id: GatewayId, report: TrafficReport) => Promise<void>
  /** Opens the stream of events on a call. */
  onEvents: (call: LinkCall) => void
  log: Log
}

/** Answers the calls of one gateway on one connection. Never throws. */
export function linkRoutes(options: LinkRoutesOptions): (kind: LinkKind, call: LinkCall) => void {
  const { gateway, devicePlane, content, log } = options

  async function answer(kind: LinkKind, call: LinkCall): Promise<void> {
    const { method, path } = call
    if (method === 'GET' && path === linkPaths.instance)
      return answerJson(call.stream, 200, { instance: options.instance } satisfies LinkInstance)
    if (kind === 'bulk') {
      if (method === 'GET' && path.startsWith(linkPaths.objects)) return await sendObject(call)
    } else if (method === 'POST') {
      if (path.startsWith(linkPaths.relay)) return await relay(call)
      if (path.startsWith(linkPaths.relays)) return await relayTogether(call)
      if (path === linkPaths.contentReports) {
        const report = await readReport(call, ContentReport)
        if (report === undefined) return
        await content.contentReport(gateway.id, report)
        return answerJson(call.stream, 200, {})
      }
      if (path === linkPaths.certificate) {
        const request = await readReport(call, CertificateRenewal)
        if (request === undefined) return
        return answerJson(call.stream, 200, await options.renew(gateway.id, request))
      }
      if (path === linkPaths.trafficReports) {
        const report = await readReport(call, TrafficReport)
        if (report === undefined) return
        await options.recordTraffic(gateway.id, report)
        return answerJson(call.stream, 200, {})
      }
    } else if (method === 'GET') {
      if (path === linkPaths.events) return options.onEvents(call)
      if (path === linkPaths.contents) return await sendList(call, await content.gatewayContents(gateway.id))
      if (path.startsWith(linkPaths.contentObjects)) {
        const id = ContentId.safeParse(path.slice(linkPaths.contentObjects.length))
        const objects = await content.contentObjects(id.success ? id.data : fail('NOT_FOUND', 'No such content.'))
        return objects.ok ? await sendList(call, objects.value) : call.refuse(objects.problem)
      }
    }
    fail('NOT_FOUND', 'The link has no such path.')
  }

  /** A gateway says who asks; it may say so only in ways that its own listeners allow. */
  async function relay(call: LinkCall): Promise<void> {
    const routeId = call.path.slice(linkPaths.relay.length)
    const maxBytes = devicePlane.maxBodyBytes(routeId) ?? fail('NOT_FOUND', 'The site answers no such route.')
    const caller = readHeader(call, CALLER_HEADER, Caller)
    const parameters = readHeader(call, PARAMETERS_HEADER, Parameters)
    if (!mayAsk(routeId, caller)) fail('NOT_AUTHENTICATED', notForYou(routeId))
    const bodyBytes = await call.readBody(maxBytes)
    if (bodyBytes === undefined) return
    const { signal, stream } = call
    const reply = await devicePlane.handle(routeId, {
      caller,
      gateway: { gatewayId: gateway.id, kind: gateway.kind },
      parameters,
      bodyBytes,
      signal,
    })
    if (signal.aborted || stream.closed) return
    stream.respond({
      ':status': reply.status,
      'content-type': reply.contentType,
      'content-length': reply.body.length,
    })
    await sendBytes(stream, reply.body)
  }

  /** The same for several at once; each is answered as soon as its answer is there. */
  async function relayTogether(call: LinkCall): Promise<void> {
    const routeId = call.path.slice(linkPaths.relays.length)
    if (devicePlane.maxBodyBytes(routeId) === undefined || routeOf(routeId).together !== true)
      fail('NOT_FOUND', 'The site answers no such route together.')
    const bytes = await call.readBody(batchBounds.bytes)
    if (bytes === undefined) return
    const requests = readRequestBatch(bytes) ?? fail('BAD_REQUEST', 'The requests cannot be read.')
    const answer = answerTogether(call.stream, requests.length)
    for (const [i, { caller, body }] of requests.entries()) {
      if (!mayAsk(routeId, caller)) answer(i, problemReply(problem('NOT_AUTHENTICATED', notForYou(routeId))))
      else
        void devicePlane
          .handle(routeId, {
            caller,
            gateway: { gatewayId: gateway.id, kind: gateway.kind },
            parameters: {},
            bodyBytes: body,
            signal: call.signal,
          })
          .then((reply) => answer(i, reply))
    }
  }

  async function sendObject(call: LinkCall): Promise<void> {
    const [kindText, hashText, ...more] = call.path.slice(linkPaths.objects.length).split('/')
    const kind = ObjectKind.safeParse(kindText)
    const hash = Sha256.safeParse(hashText)
    if (!kind.success || !hash.success || more.length > 0) return fail('NOT_FOUND', 'No such object.')
    const start = readRangeStart(call.headers.range)
    let opened = await content.openObject(kind.data, hash.data)
    if (!opened.ok) return call.refuse(opened.problem)
    const { totalBytes } = opened.value
    if (start > 0) {
      // Only to continue what broke off: the size had to be known first.
      opened.value.body.destroy()
      if (start >= totalBytes) return call.refuse(problem('RANGE_REFUSED', `The object has ${totalBytes} bytes.`))
      opened = await content.openObject(kind.data, hash.data, { start, end: totalBytes })
      if (!opened.ok) return call.refuse(opened.problem)
    }
    const { body } = opened.value
    if (call.signal.aborted) {
      body.destroy()
      return
    }
    call.stream.respond({
      ':status': start > 0 ? 206 : 200,
      'content-type': 'application/octet-stream',
      'content-length': totalBytes - start,
      ...(start > 0 ? { 'content-range': `bytes ${start}-${totalBytes - 1}/${totalBytes}` } : {}),
    })
    await sendStream(call.stream, body)
  }

  return (kind, call) => {
    answer(kind, call).catch((error: unknown) => call.refuse(problemOf(error, log, `link ${call.path}`)))
  }
}

const routeOf = (routeId: string): DeviceRoute => deviceRoutes[routeId as keyof typeof deviceRoutes]

/** Whether the route is for such a caller, as the listeners of a gateway have it. */
function mayAsk(routeId: string, caller: Caller): boolean {
  const { identity } = routeOf(routeId)
  return identity === 'anonymous'
    ? caller.identity === 'anonymous'
    : caller.identity === 'device' && (!caller.expired || identity === 'deviceOrExpired')
}

const notForYou = (routeId: string): string => `The route ${routeId} is not for such a caller.`

const Parameters = z.record(z.string().max(64), z.string().max(200))

/** Headers of the link hold small JSON documents as base64url. */
function readHeader<S extends z.ZodType>(call: LinkCall, name: string, schema: S): z.output<S> {
  const text = call.headers[name]
  const value = typeof text === 'string' ? parseJson(Buffer.from(text, 'base64url')) : undefined
  const parsed = schema.safeParse(value?.value)
  return parsed.success ? parsed.data : fail('BAD_REQUEST', `The header ${name} cannot be read.`)
}

/** Also for `join.ts`. */
export async function readReport<S extends z.ZodType>(call: LinkCall, schema: S): Promise<z.output<S> | undefined> {
  const bytes = await call.readBody(linkBounds.reportBytes)
  if (bytes === undefined) return undefined
  const parsed = schema.safeParse(parseJson(bytes)?.value)
  if (!parsed.success) throw new ProblemError(badRequest(parsed.error))
  return parsed.data
}

async function sendList(call: LinkCall, list: Iterable<unknown>): Promise<void> {
  if (call.signal.aborted) return
  call.stream.respond({ ':status': 200, 'content-type': 'application/x-ndjson' })
  await sendLines(call.stream, list)
}

/** `bytes=<start>-`, or nothing. */
function readRangeStart(header: string | string[] | undefined): number {
  if (header === undefined) return 0
  const start = typeof header === 'string' ? /^bytes=(\d{1,15})-$/.exec(header)?.[1] : undefined
  return start === undefined
    ? fail('RANGE_REFUSED', 'Ranges of the link begin somewhere and go to the end.')
    : Number(start)
}
