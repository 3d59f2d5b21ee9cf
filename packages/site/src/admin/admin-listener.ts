/** The HTTPS listener of the admin API. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { fail } from '@sluice/protocol'
import type { Credentials } from '../identity/site-identity.ts'
import type { FromWhere } from './exchange.ts'

/** AEAD only under TLS 1.2 (SEC-59). */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
].join(':')

const MAX_CONNECTIONS = 512

export interface AdminListener {
  port: number
  close(): Promise<void>
}

/** @throws ProblemError `PORT_TAKEN` */
export async function openAdminListener(options: {
  host: string
  /** 0: any free one. */
  port: number
  credentials: Credentials
  fetch(request: Request, from: FromWhere): Response | Promise<Response>
}): Promise<AdminListener> {
  const { host, port, credentials, fetch } = options
  const server: Server = createServer(
    {
      ...credentials,
      minVersion: 'TLSv1.2',
      ciphers: CIPHERS,
      // Slow senders are cut off (SEC-53); answers may take longer: some wait for news.
      headersTimeout: 10_000,
      requestTimeout: 60_000,
      connectionsCheckingInterval: 5_000,
      keepAliveTimeout: 30_000,
      requireHostHeader: true,
    },
    getRequestListener((request, { incoming }) => fetch(request, { address: incoming.socket.remoteAddress ?? '' }), {
      overrideGlobalObjects: false,
    }),
  )
  server.maxConnections = MAX_CONNECTIONS
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
      fail('PORT_TAKEN', `Something listens on ${host}:${port} already.`)
    throw error
  }
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
