/** What a program on the site's machine needs to reach the admin API: `admin-connection.json` of the data folder. */
import { z } from 'zod'

export const AdminConnection = z.object({
  url: z.url(),
  /** Path of the PEM of the authority that signed the listener's certificate; only this one is trusted. */
  authority: z.string().min(1),
  /** Path of the file with an administrator's token. */
  tokenFile: z.string().min(1),
})
export type AdminConnection = z.infer<typeof AdminConnection>
