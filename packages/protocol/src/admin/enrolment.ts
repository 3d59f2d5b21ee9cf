/** How devices may come in by a sign-in of their user, as administrators set it. */
import { z } from 'zod'
import type { AdminRoute } from './route.ts'

/** Of an OpenID provider. `https:`; `http:` on loopback only. */
export const Issuer = z
  .url()
  .max(2000)
  .refine((url) => {
    const { protocol, hostname } = new URL(url)
    return protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(hostname))
  }, 'an https address')

const fields = {
  /** What a sign-in is worth: nothing, a place in the list of pending devices, or approval. */
  registration: z.enum(['off', 'pending', 'automatic']),
  issuer: Issuer.optional(),
  clientId: z.string().min(1).max(255).optional(),
  /** Ends of verified e-mail addresses, as in `contoso.example`; `*`: whoever the provider knows. Empty: `groups` decide. */
  domains: z.array(z.string().regex(/^(\*|[a-z0-9.-]{1,253})$/, 'a domain in small letters, or *')).max(100),
  /** Who signs in must be in one of these; empty: `domains` decide. Where both are given, both must be met. */
  groups: z.array(z.string().min(1).max(255)).max(100),
  /** Claim that lists the groups of a user. */
  groupsClaim: z.string().min(1).max(100),
  /** What is asked for; `openid` always. */
  scopes: z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/)).max(20),
}

export const EnrolmentSignIn = z.object({
  ...fields,
  /** Whether the site has a client secret; nobody reads it. */
  hasSecret: z.boolean(),
})
export type EnrolmentSignIn = z.infer<typeof EnrolmentSignIn>

export const EnrolmentSignInSet = z
  .strictObject({
    ...fields,
    /** Absent: the present one stays as long as issuer and client stay. Null: there is none. */
    clientSecret: z.string().min(1).max(1000).nullable().optional(),
  })
  .refine(({ registration, issuer, clientId }) => registration === 'off' || (issuer && clientId), {
    path: ['issuer'],
    message: 'issuer and client are needed',
  })
  .refine(({ registration, domains, groups }) => registration === 'off' || domains.length + groups.length > 0, {
    path: ['domains'],
    message: 'say who may let devices in: domains or groups; * for everybody whom the provider knows',
  })
export type EnrolmentSignInSet = z.infer<typeof EnrolmentSignInSet>

/** Who signed in when the device came. */
export const DeviceUser = z.object({
  issuer: z.string().max(2000),
  /** The provider's own word for this person; the others can change. */
  subject: z.string().max(255),
  name: z.string().max(255).optional(),
  email: z.string().max(255).optional(),
  at: z.iso.datetime(),
})
export type DeviceUser = z.infer<typeof DeviceUser>

export const enrolmentRoutes = {
  enrolmentSignIn: { method: 'GET', path: '/admin/v1/enrolment/sign-in', maxBodyBytes: 0, answer: EnrolmentSignIn },
  setEnrolmentSignIn: {
    method: 'PUT',
    path: '/admin/v1/enrolment/sign-in',
    maxBodyBytes: 64 * 1024,
    body: EnrolmentSignInSet,
    answer: EnrolmentSignIn,
  },
} as const satisfies Record<string, AdminRoute>
