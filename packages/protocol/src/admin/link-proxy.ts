/** What the site proves itself with to the proxy before its gateways: written, never read. */
import { z } from 'zod'
import { type AdminRoute, none } from './route.ts'

export const LinkProxyCredentials = z.strictObject({
  /** `name:password`; a line break would end the header that it goes into. */
  credentials: z
    .string()
    .max(500)
    .regex(/^[ -9;-~]+:[ -~]+$/, 'one line name:password'),
})

const path = '/admin/v1/link-proxy/credentials'

export const linkProxyRoutes = {
  setLinkProxyCredentials: { method: 'PUT', path, maxBodyBytes: 64 * 1024, body: LinkProxyCredentials, answer: none },
  forgetLinkProxyCredentials: { method: 'DELETE', path, maxBodyBytes: 64 * 1024, answer: none },
} as const satisfies Record<string, AdminRoute>
