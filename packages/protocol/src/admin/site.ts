/** The site as a whole: what it is, and the client settings of its devices. */
import { z } from 'zod'
import { ClientSettings } from '../client-settings.ts'
import { SiteId } from '../ids.ts'
import { type AdminRoute, plain } from './route.ts'

export const SiteInfo = z.object({
  siteId: SiteId,
  name: z.string(),
  version: z.string(),
  database: z.enum(['sqlite', 'postgres']),
  /** Keys on this machine, released on import. */
  catalogueMode: z.enum(['online', 'offline']),
})
export type SiteInfo = z.infer<typeof SiteInfo>

export const siteRoutes = {
  site: { method: 'GET', path: '/admin/v1/site', ...plain, answer: SiteInfo },
  clientSettings: { method: 'GET', path: '/admin/v1/client-settings', ...plain, answer: ClientSettings },
  setClientSettings: {
    method: 'PUT',
    path: '/admin/v1/client-settings',
    ...plain,
    body: ClientSettings,
    answer: ClientSettings,
  },
} as const satisfies Record<string, AdminRoute>
