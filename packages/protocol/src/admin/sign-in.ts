/**
 * Signing in at the site: the few paths that answer before anybody proved who he is. Bodies and
 * answers are JSON; refusals are problems.
 */
import { z } from 'zod'
import { AdministratorName, NewPassword } from './administrator.ts'

export const signInPaths = {
  page: '/sign-in/',
  ways: '/sign-in/v1/ways',
  password: '/sign-in/v1/password',
  invitation: '/sign-in/v1/invitation',
  passkeyQuestion: '/sign-in/v1/passkey-question',
  passkey: '/sign-in/v1/passkey',
  signOn: '/sign-in/v1/sign-on',
  signOnReturn: '/sign-in/v1/sign-on-return',
  out: '/sign-in/v1/out',
} as const

export const SIGN_IN_BODY_BYTES = 64 * 1024

/** The session, named `__Host-…`: of this host only, over TLS only, never sent by other pages. */
export const SESSION_COOKIE = '__Host-sluice'
/** A request that lives on the cookie must have this header: pages of others cannot send it. */
export const COOKIE_HEADER = 'sluice-session'

/** `cookie` for the browser; `bearer` gives the session's token in the answer, for the command line. */
const keep = z.enum(['cookie', 'bearer']).default('cookie')

export const SignInWays = z.object({
  passkey: z.boolean(),
  signOn: z.string().optional(),
  firstAdministrator: z.boolean(),
})

export const PasswordSignIn = z.strictObject({
  name: z.string().max(64),
  password: z.string().max(256),
  /** Of the authenticator app, or a recovery code. */
  code: z.string().max(40).optional(),
  keep,
})

/** The first administrator chooses his name; who was invited has one. */
export const InvitationAccept = z.strictObject({
  code: z.string().max(100),
  name: AdministratorName.optional(),
  password: NewPassword,
  keep,
})

export const PasskeySignIn = z.strictObject({
  challenge: z.string().max(100),
  response: z.record(z.string(), z.unknown()),
})

export const SignedIn = z.object({
  name: z.string(),
  /** With `keep: 'bearer'` only. */
  token: z.string().optional(),
  expiresAt: z.iso.datetime(),
})
export type SignedIn = z.infer<typeof SignedIn>
