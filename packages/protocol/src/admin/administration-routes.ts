/** Routes about administration itself: who may do what, and who did. */
import { z } from 'zod'
import type { AdminRoute } from '../admin.ts'
import { Envelope } from '../dsse.ts'
import { ApiTokenCreate, ApiTokenInfo, ApiTokenMade, Me } from './api-token.ts'
import { AuditPage } from './audit.ts'

const plain = { maxBodyBytes: 64 * 1024 } as const
const none = z.object({})

export const administrationRoutes = {
  /** Who is calling, and what he may. */
  me: { method: 'GET', path: '/admin/v1/me', ...plain, answer: Me },
  /** Newest first, at most 1,000. */
  apiTokens: { method: 'GET', path: '/admin/v1/api-tokens', ...plain, answer: z.array(ApiTokenInfo) },
  createApiToken: {
    method: 'POST',
    path: '/admin/v1/api-tokens',
    ...plain,
    body: ApiTokenCreate,
    answer: ApiTokenMade,
  },
  revokeApiToken: {
    method: 'POST',
    path: '/admin/v1/api-tokens/:id/revoke',
    ...plain,
    body: none,
    answer: ApiTokenInfo,
  },
  /** `?after=<seq>`: the entries that follow, oldest first, at most 1,000. */
  audit: { method: 'GET', path: '/admin/v1/audit', ...plain, answer: AuditPage },
  /** Signed now. */
  auditHead: { method: 'GET', path: '/admin/v1/audit-head', ...plain, answer: z.object({ head: Envelope }) },
} as const satisfies Record<string, AdminRoute>
