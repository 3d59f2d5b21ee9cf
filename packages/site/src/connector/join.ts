/**
 * Lets a gateway join: one connection to a machine that has no certificate yet. It is trusted with nothing,
 * and may ask for one thing: a certificate, with the secret of its join code.
 */

import type { TLSSocket } from 'node:tls'
import {
  type GatewayCertificate,
  type GatewayId,
  type JoinRequest,
  JoinRequest as JoinRequests,
  linkPaths,
  problem,
} from '@sluice/protocol'
import type { Log } from '../log.ts'
import { problemOf } from '../problem-document.ts'
import { readReport } from './link-routes.ts'
import { answerJson, createLinkSession, type LinkCall } from './link-session.ts'

/** From the connection to the answer. */
const JOIN_TIMEOUT_MS = 10_000

/** Resolves when the connection is gone. */
export async function letJoin(
  socket: TLSSocket,
  id: GatewayId,
  join: (id: GatewayId, request: JoinRequest) => Promise<GatewayCertificate>,
  log: Log,
): Promise<void> {
  let asked = false
  async function answer(call: LinkCall): Promise<void> {
    if (asked || call.method !== 'POST' || call.path !== linkPaths.join)
      return call.refuse(problem('NOT_FOUND', 'Whoever has no certificate asks for one, once.'))
    asked = true
    const request = await readReport(call, JoinRequests)
    if (request === undefined) return
    answerJson(call.stream, 200, await join(id, request))
  }
  const session = createLinkSession(socket, (call) => {
    answer(call).catch((error: unknown) => call.refuse(problemOf(error, log, 'join')))
  })
  const late = setTimeout(() => session.destroy('it took too long to join'), JOIN_TIMEOUT_MS)
  await session.closed
  clearTimeout(late)
}
