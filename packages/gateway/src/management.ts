/**
 * The listener for whoever runs the gateway: is it alive, is it ready, its figures. Plain HTTP, so it
 * listens on loopback unless the configuration says otherwise; nothing here says who anybody is.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { Result } from '@sluice/protocol'
import type { Metrics } from './metrics.ts'
import type { ListenAddress } from './settings/config.ts'
import { listen } from './tls/https-listener.ts'

const MAX_CONNECTIONS = 32
const TIMEOUT_MS = 10_000

/** Every route, and who may call it: `local` is whoever reaches this listener. */
export const managementRoutes = {
  live: { path: '/live', identity: 'local' },
  ready: { path: '/ready', identity: 'local' },
  metrics: { path: '/metrics', identity: 'local' },
} as const
export type ManagementRouteId = keyof typeof managementRoutes

export interface Management {
  /** `PORT_TAKEN`. */
  listen(address: ListenAddress): Promise<Result<number>>
  close(): Promise<void>
}

/** @param unready why it should get no requests now; undefined when it should */
export function createManagement(metrics: Metrics, unready: () => string | undefined): Management {
  const answers: Record<ManagementRouteId, (response: ServerResponse) => Promise<void>> = {
    live: async (response) => say(response, 200, 'alive\n'),
    async ready(response) {
      const why = unready()
      say(response, why === undefined ? 200 : 503, `${why ?? 'ready'}\n`)
    },
    metrics: async (response) => say(response, 200, await metrics.text(), metrics.contentType),
  }
  const server = createServer({ requestTimeout: TIMEOUT_MS, keepAliveTimeout: TIMEOUT_MS }, (request, response) => {
    const ids = Object.keys(managementRoutes) as ManagementRouteId[]
    const id = request.method === 'GET' ? ids.find((one) => managementRoutes[one].path === request.url) : undefined
    if (id === undefined) say(response, 404, 'not found\n')
    else answers[id](response).catch((cause: Error) => response.destroy(cause))
  })
  server.maxConnections = MAX_CONNECTIONS

  return {
    listen: (address) => listen(server, address),
    async close() {
      if (!server.listening) return
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

function say(response: ServerResponse, status: number, text: string, contentType = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' }).end(text)
}
