/**
 * Route `object` for storage that can sign nothing for devices: the gateway reads with what the site
 * gave it and passes the bytes on (design §5, Gateway).
 *
 * 1. Both are needed: the device's certificate (checked before this) and a signature of this gateway
 *    for that device, object and point.
 * 2. One range at most; what was announced is sent, or the connection breaks.
 * 3. A slow device holds up its own stream from the storage: nothing piles up here.
 */
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CloudPointId, ObjectKind, problem, Sha256 } from '@sluice/protocol'
import { sendProblem } from '../device-plane/answer.ts'
import type { RouteHandler } from '../device-plane/dispatch.ts'
import type { GatewayLimits } from '../settings/config.ts'
import type { SiteConfiguration } from '../settings/site-configuration.ts'
import type { CloudPoints } from './cloud-points.ts'
import type { Traffic } from './traffic.ts'
import type { UrlSigner } from './url-signature.ts'

const BUSY_RETRY_MS = 2_000

export function relayObject(options: {
  siteConfiguration: SiteConfiguration
  cloudPoints: CloudPoints
  signer: UrlSigner
  limits: Pick<GatewayLimits, 'transfers' | 'transfersPerDevice'>
  traffic: Traffic
  now: () => number
}): RouteHandler {
  const { siteConfiguration, cloudPoints, signer, limits, traffic, now } = options
  const underWay = new Map<string, number>()
  let all = 0

  return async ({ caller, parameters, query, headers, response, signal }) => {
    const kind = ObjectKind.safeParse(parameters.kind)
    const hash = Sha256.safeParse(parameters.hash)
    const pointId = CloudPointId.safeParse(query.get('point'))
    if (!kind.success || !hash.success || !pointId.success)
      return sendProblem(response, problem('NOT_FOUND', 'No such kind of object, or point.'))
    const name = { kind: kind.data, hash: hash.data }
    if (caller.identity !== 'device' || !signer.verify(name, caller.deviceId, query, now()))
      // 1
      return sendProblem(response, problem('SIGNED_URL_REFUSED', 'Expired, changed, or signed for another device.'))
    const refusal = siteConfiguration.contentRefusal()
    if (refusal !== undefined) return sendProblem(response, refusal)
    const point = await cloudPoints.get(pointId.data)
    if (point === undefined)
      return sendProblem(response, problem('CONTENT_NOT_DISTRIBUTED', 'There is no such distribution point any more.'))

    const own = underWay.get(caller.deviceId) ?? 0
    if (all >= limits.transfers || own >= limits.transfersPerDevice)
      return sendProblem(response, problem('BUSY', 'Too many objects are being sent.', { retryAfterMs: BUSY_RETRY_MS }))
    all++
    underWay.set(caller.deviceId, own + 1)
    try {
      const asked = rangeOf(headers.range)
      if (asked === 'refused') return sendProblem(response, problem('RANGE_REFUSED', 'One range with both ends.'))
      const opened = await point.store.get(name, asked, signal)
      if (!opened.ok) {
        const { code } = opened.problem
        if (code === 'BAD_REQUEST') return sendProblem(response, problem('RANGE_REFUSED', 'Outside of the object.'))
        // What the storage says of itself is for the administrator of the site.
        if (code === 'PACK_GONE') return sendProblem(response, opened.problem)
        return sendProblem(response, problem('CONTENT_SOURCE_FAILED', `${point.name}: ${code}`))
      }
      const { body, totalBytes } = opened.value
      const { start, end } = asked ?? { start: 0, end: totalBytes }
      traffic.countRequest()
      response.writeHead(asked === undefined ? 200 : 206, {
        'content-type': 'application/octet-stream',
        'content-length': end - start,
        'cache-control': 'private, no-transform',
        'accept-ranges': 'bytes',
        etag: `"${name.hash}"`,
        ...(asked === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${totalBytes}` }),
      })
      const counting = new Transform({
        transform(bytes: Buffer, _, done) {
          traffic.countBytes(name.kind, bytes.length)
          done(null, bytes)
        },
      })
      // 2, 3
      await pipeline(body, counting, response, { signal }).catch(() => response.destroy())
    } finally {
      all--
      const left = (underWay.get(caller.deviceId) ?? 1) - 1
      if (left === 0) underWay.delete(caller.deviceId)
      else underWay.set(caller.deviceId, left)
    }
  }
}

/** `bytes=<first>-<last>`, as agents ask; the size of the object is known only to the storage. */
function rangeOf(header: string | string[] | undefined): { start: number; end: number } | undefined | 'refused' {
  if (header === undefined) return undefined
  const [, first, last] = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(String(header)) ?? []
  const range = { start: Number(first), end: Number(last) + 1 }
  return range.start < range.end ? range : 'refused'
}
