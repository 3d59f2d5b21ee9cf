/**
 * A Software Center service for tests of the page: the protocol over real HTTP, with states that the
 * test says. What it sends is parsed with the protocol's schemas first, so it cannot drift from them.
 */
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import {
  CenterState,
  centerPaths,
  DeploymentId,
  InstallAnswer,
  type Problem,
  problem,
  problems,
  type RunId,
  SESSION_HEADER,
} from '@sluice/protocol'
import type { z } from 'zod'
import { contentSecurityPolicy } from '../content-security-policy.ts'

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

export interface CenterService {
  /** Address of the page with the token, as the agent hands it to the user. */
  readonly url: string
  /** Deployments that were asked for, in order. */
  readonly installs: readonly DeploymentId[]
  readonly policySyncs: number
  /** What every page sees from now on. */
  show(state: z.input<typeof CenterState>): void
  /** What *Install* answers from now on; undefined: it is accepted. */
  refuseInstall(reason: Problem | undefined): void
  /** The agent is gone: connections break, nothing answers. */
  stop(): Promise<void>
  /** The agent is back, at the same address. */
  start(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Serves the built page of `dist` and the given state on a free port of 127.0.0.1. */
export async function startCenterService(
  dist: string,
  first: z.input<typeof CenterState>,
  token = 'test-token-0123456789',
): Promise<CenterService> {
  let state = CenterState.parse(first)
  let refusal: Problem | undefined
  let server: Server | undefined
  let port = 0
  let policySyncs = 0
  const installs: DeploymentId[] = []
  const streams = new Set<ServerResponse>()

  function answer(response: ServerResponse, status: number, body: unknown): void {
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(JSON.stringify(body))
  }
  const refuse = (response: ServerResponse, reason: Problem) => answer(response, problems[reason.code].status, reason)

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    if (!pathname.startsWith('/api/')) return page(pathname, response)
    if (request.headers[SESSION_HEADER] !== token) return refuse(response, problem('SESSION_REFUSED', 'Wrong token.'))
    const route = `${request.method} ${pathname}`
    if (route === `GET ${centerPaths.state}`) return answer(response, 200, state)
    if (route === `GET ${centerPaths.events}`) {
      response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
      response.write(`${JSON.stringify(state)}\n`)
      streams.add(response)
      response.on('close', () => streams.delete(response))
      return
    }
    if (route === `POST ${centerPaths.syncPolicy}`) {
      policySyncs++
      return answer(response, 202, {})
    }
    const id = DeploymentId.safeParse(pathname.split('/')[3])
    if (id.success && route === `POST ${centerPaths.install(id.data)}`) {
      if (refusal) return refuse(response, refusal)
      installs.push(id.data)
      return answer(response, 202, InstallAnswer.parse({ runId: 'run_0000000000' satisfies z.input<typeof RunId> }))
    }
    refuse(response, problem('NOT_FOUND', route))
  }

  async function page(pathname: string, response: ServerResponse): Promise<void> {
    const path = normalize(pathname === '/' ? '/center.html' : pathname)
    const bytes = await readFile(join(dist, path)).catch(() => undefined)
    response.writeHead(bytes ? 200 : 404, {
      'content-type': types[extname(path)] ?? 'application/octet-stream',
      'content-security-policy': `${contentSecurityPolicy}; frame-ancestors 'none'`,
    })
    response.end(bytes)
  }

  const service: CenterService = {
    get url() {
      return `http://127.0.0.1:${port}/#token=${token}`
    },
    installs,
    get policySyncs() {
      return policySyncs
    },
    show(next) {
      state = CenterState.parse(next)
      for (const stream of streams) stream.write(`${JSON.stringify(state)}\n`)
    },
    refuseInstall: (reason) => {
      refusal = reason
    },
    async stop() {
      const ended = server
      server = undefined
      await new Promise<void>((resolve) => {
        if (!ended) return resolve()
        ended.close(() => resolve())
        ended.closeAllConnections()
      })
    },
    async start() {
      const started = createServer((request, response) => void handle(request, response))
      await new Promise<void>((resolve, reject) => {
        started.once('error', reject)
        started.listen(port, '127.0.0.1', resolve)
      })
      port = (started.address() as AddressInfo).port
      server = started
    },
    [Symbol.asyncDispose]: () => service.stop(),
  }
  await service.start()
  return service
}
