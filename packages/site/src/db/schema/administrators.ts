/** Who administers, how they prove it, and what they did. */
import type { AdministratorId, ApiTokenId, Sha256 } from '@sluice/protocol'

interface GrantColumns {
  /** `RoleName`s as a JSON array. */
  roles: string
  /** `CollectionId`s as a JSON array; null: everywhere. */
  collections: string | null
}

export interface AdministratorsTables {
  administrators: GrantColumns & {
    id: AdministratorId
    /** What they sign in with, in lower case; unique. */
    name: string
    state: 'invited' | 'active' | 'disabled'
    /** With its parameters: `$argon2id$v=19$…`. */
    password_hash: string | null
    /** Base32, sealed by the vault. */
    totp_secret: string | null
    /** The same, not yet confirmed by a first code. */
    totp_pending: string | null
    /** The newest 30-second step whose code was used: it and those before count no more. */
    totp_last_step: number | null
    /** `sub` at the provider of sign-on; unique. */
    sign_on_subject: string | null
    created_at: number
  }
  admin_recovery_codes: { code_hash: Sha256; administrator_id: AdministratorId }
  admin_passkeys: {
    /** Credential id, base64url. */
    id: string
    administrator_id: AdministratorId
    name: string
    /** COSE. */
    public_key: Uint8Array
    counter: number
    created_at: number
  }
  /** One-time codes with which somebody sets a password: null for the first administrator. */
  admin_invitations: { code_hash: Sha256; administrator_id: AdministratorId | null; expires_at: number }
  admin_sessions: {
    id: string
    token_hash: Sha256
    administrator_id: AdministratorId
    kind: 'cookie' | 'bearer'
    way: 'password' | 'passkey' | 'signOn' | 'invitation'
    address: string
    created_at: number
    /** To the minute. */
    last_seen_at: number
  }
  /** What a sign-in that goes over several requests remembers; each is taken once. */
  admin_challenges: { id_hash: Sha256; document: string; expires_at: number }
  sign_in_failures: {
    /** `account:` or `address:` and which. */
    key: string
    failures: number
    blocked_until: number
    changed_at: number
  }
  api_tokens: GrantColumns & {
    id: ApiTokenId
    /** SHA-256 of the token; the token itself is nowhere in the database. */
    token_hash: Sha256
    name: string
    created_at: number
    /** Null: the one in the data folder. */
    expires_at: number | null
    /** Id of the administrator who made it, or whose token did; null: the owner of the data folder. */
    made_by: string | null
    last_used_at: number | null
    revoked_at: number | null
  }
  /** `AuditEntry` as JSON: the bytes that are hashed. */
  audit_entries: { seq: number; line: string }
  /** One row, `key` = 1: whoever appends holds its lock until its transaction ends. */
  audit_head: { key: 1; seq: number; hash: Sha256 }
}
