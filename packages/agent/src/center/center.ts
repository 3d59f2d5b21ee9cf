/**
 * Software Center's service on loopback: the page, and the agent behind it.
 *
 * Owns: the listener, who is admitted, the form of every answer. Does not own: what the state is
 * (`center-state.ts`), what starting means (`policy/startable.ts`, `run/`).
 *
 *   K1. Nothing but a deployment's id and a verb comes in: no path, no address, no command (SEC-72).
 *   K2. Every answer is refused to strangers first and routed afterwards (`admission.ts`).
 *   K3. Everything is bounded: connections, headers, bodies, open pages.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type CenterState,
  centerPaths,
  DeploymentId,
  failed,
  type InstallAnswer,
  ok,
  type Problem,
  problem,
  problems,
  type Result,
} from '@sluice/protocol'
import type { Log } from '../log.ts'
import type { Settings } from '../state/settings.ts'
import { type Door, refuseIntruder, refuseStranger } from './admission.ts'
import { createEventStream } from './event-stream.ts'
import { securityHeaders } from './headers.ts'
import { readPageFile } from './page-files.ts'
import { openSession } from './session.ts'

export interface Center {
  /** Address of the page, without the token. */
  url: string
  /** Something that pages show has changed. */
  changed(): void
  stop(): Promise<void>
}

export interface CenterOptions {
  /** Loopback address. */
  host: '127.0.0.1' | '::1'
  /** 0: the one used before when it is free, else any. */
  port: number
  stateFolder: string
  pageFolder: string
  settings: Settings
  state: () => Promise<CenterState>
  /** The user's click on *Install*. */
  install: (deploymentId: DeploymentId) => Promise<Result<InstallAnswer>>
  /** The user's click on *Pause* or *Resume*. */
  pause: (deploymentId: DeploymentId, paused: boolean) => Result<undefined>
  /** Ask the site for policy now. */
  syncPolicy: () => void
  log: Log
  pauseMs?: number
}

/** Body of a request, bytes. Only an empty one, or an empty JSON object, makes sense. */
const MAX_BODY_BYTES = 1024
const MAX_PAGES = 16
const PORT_SETTING = 'softwareCenterPort'

/** Listens, and writes the address file. `PORT_TAKEN` when the port that was asked for is not free. */
export async function startCenter(options: CenterOptions): Promise<Result<Center>> {
  const { host, settings, log } = options
  const server = createServer({
    // K3
    maxHeaderSize: 8 * 1024,
    headersTimeout: 5_000,
    requestTimeout: 10_000,
    keepAliveTimeout: 30_000,
    requireHostHeader: false,
  })
  server.maxConnections = 64
  const remembered = Number(settings.get(PORT_SETTING) ?? 0)
  const port = (await listen(server, host, options.port || remembered)) ?? (await listenElsewhere(server, options))
  if (port === undefined)
    return failed(problem('PORT_TAKEN', `Software Center cannot listen on ${host}:${options.port}: the port is taken.`))
  settings.set(PORT_SETTING, String(port))

  const session = openSession(settings)
  const authority = host === '::1' ? `[::1]:${port}` : `${host}:${port}`
  const door: Door = { host: authority, origin: `http://${authority}`, session }
  const events = createEventStream({
    state: options.state,
    ...(options.pauseMs === undefined ? {} : { pauseMs: options.pauseMs }),
  })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    handle(request, response).catch((error: unknown) => {
      log.error('Software Center could not answer', { error, path: request.url?.slice(0, 200) })
      if (response.headersSent) response.destroy()
      else refuse(response, problem('INTERNAL', 'The log of the agent has the cause.'))
    })
  })

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value)
    // K2
    const stranger = refuseStranger(request, door)
    if (stranger !== undefined) return refuse(response, stranger)
    const [path = '/'] = (request.url ?? '/').split('?', 1)
    if (!path.startsWith('/api/')) return page(request, response, path)
    const intruder = refuseIntruder(request, door)
    if (intruder !== undefined) return refuse(response, intruder)
    if (!(await isEmptyBody(request))) return refuse(response, problem('BAD_REQUEST', 'The API takes no body.'))
    return api(`${request.method} ${path}`, response)
  }

  async function page(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const file = request.method === 'GET' ? await readPageFile(options.pageFolder, path) : undefined
    if (file === undefined) return refuse(response, problem('NOT_FOUND', 'There is no such page.'))
    const headers = { 'content-type': file.contentType, 'cache-control': file.cacheControl }
    response.writeHead(200, { ...headers, 'content-length': file.bytes.length }).end(file.bytes)
  }

  async function api(route: string, response: ServerResponse): Promise<void> {
    if (route === `GET ${centerPaths.state}`) return answer(response, 200, await options.state())
    if (route === `GET ${centerPaths.events}`) {
      if (events.pages() >= MAX_PAGES) return refuse(response, problem('BUSY', 'Too many pages are open.'))
      response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
      return events.serve(response)
    }
    if (route === `POST ${centerPaths.syncPolicy}`) {
      options.syncPolicy()
      return answer(response, 202, {})
    }
    // K1
    const [, named, verb] = /^POST \/api\/deployments\/([^/]+)\/(install|pause|resume)$/.exec(route) ?? []
    const id = DeploymentId.safeParse(named)
    if (!id.success) return refuse(response, problem('NOT_FOUND', 'There is no such route.'))
    if (verb !== 'install') {
      const changed = options.pause(id.data, verb === 'pause')
      return changed.ok ? answer(response, 202, {}) : refuse(response, changed.problem)
    }
    const installed = await options.install(id.data)
    return installed.ok ? answer(response, 202, installed.value) : refuse(response, installed.problem)
  }

  await session.publish(options.stateFolder, door.origin)
  return ok({
    url: door.origin,
    changed: () => events.changed(),
    async stop() {
      events.stop()
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  })
}

/** The port, or undefined when it is taken. */
async function listen(server: Server, host: string, port: number): Promise<number | undefined> {
  try {
    server.listen({ host, port, exclusive: true })
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return undefined
    throw error
  }
}

/** Somebody has the port that was used before; an open page finds the agent again by the address file. */
async function listenElsewhere(server: Server, { host, port }: CenterOptions): Promise<number | undefined> {
  return port === 0 ? listen(server, host, 0) : undefined
}

async function isEmptyBody(request: IncomingMessage): Promise<boolean> {
  let text = ''
  for await (const part of request) {
    text += part
    if (text.length > MAX_BODY_BYTES) return false
  }
  return text === '' || text === '{}'
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' }
  response.writeHead(status, headers).end(JSON.stringify(body))
}

function refuse(response: ServerResponse, reason: Problem): void {
  const headers = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' }
  // What else the other side wanted to say is not read.
  response.writeHead(problems[reason.code].status, { ...headers, connection: 'close' }).end(JSON.stringify(reason))
}
