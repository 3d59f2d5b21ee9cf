/** An HTTP proxy between a part and where it connects to, as a configuration names it. */
import { z } from 'zod'

export const ProxySettings = z.strictObject({
  /** `http://host:port`, without name and password: configurations are shown and copied. */
  url: z
    .url({ protocol: /^http$/ })
    .max(1_000)
    .refine(
      (text) => URL.canParse(text) && new URL(text).username === '',
      'name and password belong into credentialsFile',
    ),
  /** File with one line `name:password`. */
  credentialsFile: z.string().min(1).max(4_000).optional(),
})
export type ProxySettings = z.infer<typeof ProxySettings>
