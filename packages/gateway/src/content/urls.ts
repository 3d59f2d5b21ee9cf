/**
 * Route `contentUrls`: from a content token to signed addresses of objects, here or at a cloud distribution point.
 * Small pages that lie here come with their addresses when the device wants them.
 */
import type { SmallPages } from '@sluice/content'
import {
  type CloudPointId,
  type ContentId,
  type ContentUrlsAnswer,
  ContentUrlsRequest,
  devicePath,
  failed,
  ok,
  type Problem,
  problem,
  type Result,
  type StoredObject,
} from '@sluice/protocol'
import { sendJson, sendProblem } from '../device-plane/answer.ts'
import type { RouteHandler } from '../device-plane/dispatch.ts'
import type { SiteConfiguration } from '../settings/site-configuration.ts'
import type { CloudPoints } from './cloud-points.ts'
import { verifyContentToken } from './content-token.ts'
import { type Contents, objectKey } from './contents.ts'
import type { Traffic } from './traffic.ts'
import { URL_LIFE_MS, type UrlSigner } from './url-signature.ts'

type Wanted = ContentUrlsRequest['objects'][number]
type Address = ContentUrlsAnswer['objects'][number]

export function contentUrls(options: {
  siteConfiguration: SiteConfiguration
  contents: Contents
  pages: SmallPages
  traffic: Pick<Traffic, 'countRequest' | 'countBytes'>
  cloudPoints: CloudPoints
  signer: UrlSigner
  now: () => number
  /** Of an address, in milliseconds. */
  lifeMs?: number | undefined
}): RouteHandler {
  const { siteConfiguration, contents, pages, traffic, cloudPoints, signer, now, lifeMs = URL_LIFE_MS } = options

  return async ({ caller, body, host, response }) => {
    const request = parseRequest(body)
    if (!request.ok) return sendProblem(response, request.problem)
    const configuration = siteConfiguration.current()
    const { point: pointId } = request.value
    const point = pointId === undefined ? undefined : await cloudPoints.get(pointId)
    if (pointId !== undefined && point === undefined)
      return sendProblem(response, problem('CONTENT_NOT_DISTRIBUTED', `This gateway does not know point ${pointId}.`))
    const refusal = siteConfiguration.contentRefusal(point?.service === 'direct' ? 'addresses' : 'bytes')
    if (refusal !== undefined) return sendProblem(response, refusal)
    if (configuration === undefined || caller.identity !== 'device')
      return sendProblem(response, problem('NOT_AUTHENTICATED', 'A device certificate is needed here.'))
    const token = await verifyContentToken(request.value.token, caller, configuration, now())
    if (!token.ok) return sendProblem(response, token.problem)

    const granted = new Set(token.value.contents)
    const { deviceId } = caller

    /** The name by which this device found this gateway: no other is known to be reachable for it. */
    const ownAddress = (wanted: Wanted) => {
      const expiresAtMs = Math.floor((now() + lifeMs) / 1000) * 1000
      const path = devicePath('object', { kind: wanted.kind, hash: wanted.hash })
      return { url: `https://${host}${path}?${signer.sign(wanted, deviceId, expiresAtMs, pointId)}`, expiresAtMs }
    }
    const addressOf = async (wanted: Wanted): Promise<Address> => {
      const why = refusalOf(wanted, { granted, contents, pointId })
      if (why !== undefined) return { hash: wanted.hash, problem: why }
      const signed = point?.service === 'direct' ? await point.store.signedUrl(wanted, lifeMs) : ok(ownAddress(wanted))
      if (!signed.ok) return { hash: wanted.hash, problem: signed.problem }
      const { url, expiresAtMs } = signed.value
      return { hash: wanted.hash, url, expiresAt: new Date(expiresAtMs).toISOString() }
    }
    const { objects, withPages = false } = request.value
    const addresses = await Promise.all(objects.map(addressOf))
    if (!withPages || pointId !== undefined) return sendJson(response, 200, { objects: addresses })
    const brought = await pages.of(pagesOf(objects, addresses, contents))
    response.once('finish', () => {
      for (const { length } of brought.values()) {
        traffic.countRequest()
        traffic.countBytes('page', length)
      }
    })
    const answer: ContentUrlsAnswer = {
      objects: addresses.map((address) => {
        const page = 'url' in address ? brought.get(address.hash) : undefined
        return page === undefined ? address : { ...address, page: Buffer.from(page).toString('base64') }
      }),
    }
    sendJson(response, 200, answer)
  }
}

/** Pages that got an address. */
function pagesOf(objects: readonly Wanted[], addresses: readonly Address[], contents: Contents): StoredObject[] {
  return objects.flatMap((wanted, i) => {
    const address = addresses[i]
    const held = contents.get(wanted.contentId)?.objects.get(objectKey(wanted))
    return held?.kind === 'page' && address !== undefined && 'url' in address ? [held] : []
  })
}

function refusalOf(
  wanted: Wanted,
  at: { granted: ReadonlySet<ContentId>; contents: Contents; pointId: CloudPointId | undefined },
): Problem | undefined {
  const { contentId } = wanted
  const { granted, contents, pointId } = at
  if (!granted.has(contentId)) return problem('CONTENT_TOKEN_REFUSED', `The token does not name content ${contentId}.`)
  const held = contents.get(contentId)
  if (held === undefined || !(pointId === undefined ? held.content.own : held.content.points.includes(pointId)))
    return problem('CONTENT_NOT_DISTRIBUTED', `${pointId ?? 'This gateway'} does not hold content ${contentId}.`)
  const object: StoredObject | undefined = held.objects.get(objectKey(wanted))
  if (object === undefined)
    return held.former.has(objectKey(wanted))
      ? problem('PACK_GONE', `Content ${contentId} has no ${wanted.kind} ${wanted.hash} now.`)
      : problem('OBJECT_REFUSED', `Content ${contentId} has no ${wanted.kind} ${wanted.hash}.`)
  if (pointId === undefined && held.missing.has(objectKey(wanted)))
    return problem('CONTENT_NOT_DISTRIBUTED', `The ${wanted.kind} ${wanted.hash} is still on its way to this gateway.`)
  return undefined
}

function parseRequest(body: Uint8Array): Result<ContentUrlsRequest> {
  try {
    const parsed = ContentUrlsRequest.safeParse(JSON.parse(Buffer.from(body).toString('utf8')))
    if (parsed.success) return ok(parsed.data)
    const errors = parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }))
    return failed(problem('BAD_REQUEST', 'The request for addresses is malformed.', { errors: errors.slice(0, 20) }))
  } catch {
    return failed(problem('BAD_REQUEST', 'The body is not JSON.'))
  }
}
