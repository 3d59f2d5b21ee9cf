/** A gateway for tests: two real TLS listeners, and answers that the test decides. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { type DeviceRouteId, GatewayAddress, matchDeviceRoute, type Problem, problems } from '@sluice/protocol'
import { createTestAuthority, issueServer, type TestAuthority } from './test-authority.ts'

export interface TestRequest {
  route: DeviceRouteId
  parameters: Record<string, string>
  body: unknown
  /** DER of the client certificate; empty where there is none. */
  certificate: Buffer
}

export type TestAnswer = { json: unknown } | { bytes: Uint8Array } | { problem: Problem } | { raw: RawAnswer }
export type RawAnswer = (response: ServerResponse) => void
export type TestAnswers = Partial<Record<DeviceRouteId, (request: TestRequest) => TestAnswer | Promise<TestAnswer>>>

export interface TestGateway {
  address: GatewayAddress
  authority: TestAuthority
  /** May be changed at any time. */
  answers: TestAnswers
  /** Everything that was asked, in order. */
  requests: TestRequest[]
  /** Closes listeners and connections; `listen` opens them again on the same ports. */
  stop(): Promise<void>
  listen(): Promise<void>
}

export async function startTestGateway(
  t: TestContext,
  answers: TestAnswers = {},
  { authority = createTestAuthority(), name = 'gw_0000000001' } = {},
): Promise<TestGateway> {
  const server = issueServer(authority)
  const requests: TestRequest[] = []
  let listeners: Server[] = []
  let ports = [0, 0]

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const matched = matchDeviceRoute(request.method ?? '', new URL(request.url ?? '/', 'https://x').pathname)
    if (matched === undefined) return response.writeHead(404).end()
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const text = Buffer.concat(parts).toString()
    const certificate = (request.socket as TLSSocket).getPeerCertificate().raw ?? Buffer.alloc(0)
    const asked: TestRequest = {
      route: matched.id,
      parameters: matched.parameters,
      body: text === '' ? undefined : JSON.parse(text),
      certificate,
    }
    requests.push(asked)
    const answer = await gateway.answers[matched.id]?.(asked)
    if (answer === undefined) return response.writeHead(404).end()
    if ('raw' in answer) return answer.raw(response)
    if ('problem' in answer) {
      const { status } = problems[answer.problem.code]
      return response
        .writeHead(status, { 'content-type': 'application/problem+json' })
        .end(JSON.stringify(answer.problem))
    }
    if ('bytes' in answer) return response.writeHead(200).end(answer.bytes)
    return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer.json))
  }

  const gateway: TestGateway = {
    address: {} as GatewayAddress,
    authority,
    answers,
    requests,
    async listen() {
      listeners = [false, true].map((requestCert) =>
        createServer({ ...server, requestCert, rejectUnauthorized: false }, (request, response) => {
          handle(request, response).catch((error: unknown) => response.destroy(error as Error))
        }),
      )
      for (const [index, listener] of listeners.entries()) {
        listener.listen(ports[index], '127.0.0.1')
        await once(listener, 'listening')
      }
      ports = listeners.map((listener) => (listener.address() as AddressInfo).port)
    },
    async stop() {
      for (const listener of listeners) {
        if (!listener.listening) continue
        const closed = once(listener, 'close')
        listener.close()
        listener.closeAllConnections()
        await closed
      }
    },
  }
  await gateway.listen()
  t.after(() => gateway.stop())
  gateway.address = GatewayAddress.parse({
    gatewayId: name,
    name,
    kind: 'internet',
    enrolmentUrl: `https://127.0.0.1:${ports[0]}`,
    deviceUrl: `https://127.0.0.1:${ports[1]}`,
  })
  return gateway
}
