/**
 * What the site answers: one request of a device becomes one typed request down the control
 * connection. Nothing the device wrote is passed on but its body; the address is a route id, and
 * who asks is what this gateway proved (SEC-50, SEC-51).
 */
import { pipeline } from 'node:stream/promises'
import {
  CALLER_HEADER,
  type DeviceId,
  type DeviceRoute,
  type DeviceRouteId,
  deviceBounds,
  deviceRoutes,
  linkPaths,
  PARAMETERS_HEADER,
  type Problem,
  problem,
} from '@sluice/protocol'
import type { Link } from '../link/link.ts'
import { createTogether } from '../link/together.ts'
import type { GatewayLimits } from '../settings/config.ts'
import { sendProblem, sendWhole } from './answer.ts'
import type { DeviceRequest, RouteHandler } from './dispatch.ts'

const BUSY_RETRY_MS = 2_000
/** What an answer of the site may call itself. */
const CONTENT_TYPES = new Set(['application/json', 'application/problem+json', 'application/octet-stream'])

export type Relay = (id: DeviceRouteId) => RouteHandler

export function createRelay(
  link: Link,
  limits: Pick<GatewayLimits, 'relays' | 'relaysPerDevice' | 'anonymousRelays'>,
): Relay {
  const underWay = { all: 0, anonymous: 0 }
  const ofDevice = new Map<DeviceId, number>()

  return (id) => {
    const route: DeviceRoute = deviceRoutes[id]
    const anonymous = route.identity === 'anonymous' ? 1 : 0

    const askTogether = route.together === true ? createTogether(link, id) : undefined

    /** Together with others where that is cheaper. Gives how long it may take when it has to go alone. */
    async function relayTogether({
      caller,
      body,
      response,
    }: DeviceRequest): Promise<{ timeoutMs: number } | undefined> {
      if (askTogether === undefined) return { timeoutMs: deviceBounds.relayTimeoutMs }
      const together = await askTogether({ caller, body })
      if (together.kind === 'alone') return together
      const { status, contentType, body: bytes } = together.answer
      const fault = answerFault(route, status, contentType, bytes.length)
      if (fault === undefined) sendWhole(response, status, contentType, bytes)
      else sendProblem(response, fault)
      return undefined
    }

    const relay: RouteHandler = async (request) => {
      const alone = await relayTogether(request)
      if (alone === undefined || request.response.destroyed) return
      const { caller, parameters, body, signal, response } = request
      const answer = await link.request('control', {
        method: 'POST',
        path: `${linkPaths.relay}${id}`,
        headers: { [CALLER_HEADER]: headerJson(caller), [PARAMETERS_HEADER]: headerJson(parameters) },
        body,
        timeoutMs: alone.timeoutMs,
        signal,
        repeatable: route.repeatable === true,
      })
      if (!answer.ok) return sendProblem(response, answer.problem)
      const { status, contentType, lengthBytes, body: stream } = answer.value
      const fault = answerFault(route, status, contentType, lengthBytes)
      if (fault !== undefined) {
        stream.destroy()
        return sendProblem(response, fault)
      }
      response.writeHead(status, {
        'content-type': contentType,
        'content-length': lengthBytes,
        'cache-control': 'no-store',
      })
      // When either side breaks off, both end: the device sees fewer bytes than announced.
      await pipeline(stream, response).catch(() => {})
    }

    return async (request) => {
      const device = request.caller.identity === 'device' ? request.caller.deviceId : undefined
      const own = device === undefined ? 0 : (ofDevice.get(device) ?? 0)
      if (
        underWay.all >= limits.relays ||
        own >= limits.relaysPerDevice ||
        (anonymous === 1 && underWay.anonymous >= limits.anonymousRelays)
      )
        return sendProblem(
          request.response,
          problem('BUSY', 'Too many requests at once.', { retryAfterMs: BUSY_RETRY_MS }),
        )
      underWay.all++
      underWay.anonymous += anonymous
      if (device !== undefined) ofDevice.set(device, own + 1)
      try {
        await relay(request)
      } finally {
        underWay.all--
        underWay.anonymous -= anonymous
        if (device !== undefined) {
          const left = (ofDevice.get(device) ?? 1) - 1
          if (left === 0) ofDevice.delete(device)
          else ofDevice.set(device, left)
        }
      }
    }
  }
}

function answerFault(
  route: DeviceRoute,
  status: number,
  contentType: string,
  lengthBytes: number | undefined,
): Problem | undefined {
  if (!(status >= 200 && status <= 599)) return problem('BAD_ANSWER', `The site answered with status ${status}.`)
  if (!CONTENT_TYPES.has(contentType)) return problem('BAD_ANSWER', 'The site answered with an unknown kind of body.')
  if (lengthBytes === undefined) return problem('BAD_ANSWER', 'The site did not say how long its answer is.')
  if (lengthBytes > route.maxAnswerBytes) return problem('BAD_ANSWER', 'The answer of the site is too long.')
  return undefined
}

const headerJson = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
