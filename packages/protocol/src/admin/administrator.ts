/** People who administer: their accounts, and what is their own. */
import { z } from 'zod'
import { AdministratorId } from '../ids.ts'
import { Grant } from './api-token.ts'

const Time = z.iso.datetime()

/** What somebody signs in with; an address of mail will do. */
export const AdministratorName = z
  .string()
  .max(64)
  .transform((name) => name.normalize('NFC').toLowerCase())
  .pipe(z.string().regex(/^[a-z0-9][a-z0-9._@-]*$/, 'letters, digits and . _ @ -'))

/** Long rather than motley. */
export const NewPassword = z.string().min(12).max(256)

export const AdministratorInvite = z.strictObject({ name: AdministratorName, ...Grant.shape })

export const AdministratorChange = z.strictObject({
  roles: Grant.shape.roles.optional(),
  /** Null: everywhere. */
  collections: Grant.shape.collections.unwrap().nullable().optional(),
  /** Shut out, with all sessions; or let in again. */
  disabled: z.boolean().optional(),
  /** `sub` of this person at the provider of sign-on; null: none. */
  signOnSubject: z.string().min(1).max(255).nullable().optional(),
})

export const AdministratorInfo = z.object({
  id: AdministratorId,
  name: z.string(),
  /** `invited`: has not used the invitation. */
  state: z.enum(['invited', 'active', 'disabled']),
  ...Grant.shape,
  password: z.boolean(),
  totp: z.boolean(),
  passkeys: z.int().nonnegative(),
  signOnSubject: z.string().optional(),
  createdAt: Time,
})
export type AdministratorInfo = z.infer<typeof AdministratorInfo>

/** A one-time code with which the person sets a password; shown this once. */
export const Invitation = z.object({
  administrator: AdministratorInfo,
  code: z.string(),
  url: z.url(),
  expiresAt: Time,
})
export type Invitation = z.infer<typeof Invitation>

export const PasswordChange = z.strictObject({ password: z.string().max(256), newPassword: NewPassword })

/** To be typed or scanned into an authenticator app; counts once a first code came back. */
export const TotpStart = z.object({
  secret: z.string(),
  uri: z.string(),
  /** The address as a QR code: rows of modules, `1` is dark, without a margin. Absent: it would be too large. */
  qr: z
    .array(
      z
        .string()
        .max(177)
        .regex(/^[01]+$/),
    )
    .max(177)
    .optional(),
})
export type TotpStart = z.infer<typeof TotpStart>
export const TotpConfirm = z.strictObject({ code: z.string().regex(/^\d{6}$/) })
/** Each works once, when the app is lost; shown this once. */
export const RecoveryCodes = z.object({ recoveryCodes: z.array(z.string()) })

/** `options` and `response` are the JSON forms of WebAuthn Level 3. */
export const PasskeyQuestion = z.object({ challenge: z.string(), options: z.record(z.string(), z.unknown()) })
export const PasskeyAdd = z.strictObject({
  challenge: z.string().max(100),
  name: z.string().min(1).max(100),
  response: z.record(z.string(), z.unknown()),
})
export const PasskeyInfo = z.object({ id: z.string(), name: z.string(), createdAt: Time })

export const SessionInfo = z.object({
  id: z.string(),
  /** The one that asks. */
  present: z.boolean(),
  way: z.enum(['password', 'passkey', 'signOn', 'invitation']),
  address: z.string(),
  createdAt: Time,
  lastSeenAt: Time,
})

/** What is one's own. */
export const Account = z.object({
  password: z.boolean(),
  totp: z.boolean(),
  recoveryCodes: z.int().nonnegative(),
  passkeys: z.array(PasskeyInfo),
  sessions: z.array(SessionInfo),
})
export type Account = z.infer<typeof Account>
