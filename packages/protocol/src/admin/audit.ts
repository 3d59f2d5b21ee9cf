/**
 * The audit: one line a change or reveal, each with the hash of the line before it.
 *
 * A line is the JSON of an `AuditEntry` exactly as stored; its hash is the SHA-256 of its UTF-8 bytes.
 * A head says where the chain ended at some time, signed by the site: whoever keeps a head finds out
 * when lines up to it are removed, changed or moved later, the last ones included.
 */
import { z } from 'zod'
import { Envelope } from '../dsse.ts'
import { Sha256, SiteId } from '../ids.ts'

export const AUDIT_HEAD_TYPE = 'application/vnd.sluice.audit-head+json;v=1'
/** What the first entry has as `previous`. */
export const AUDIT_START = '0'.repeat(64)

export const AuditActor = z.object({
  kind: z.enum(['token', 'administrator', 'device', 'site', 'nobody']),
  id: z.string().max(100),
  name: z.string().max(255),
})
export type AuditActor = z.infer<typeof AuditActor>

export const AuditEntry = z.object({
  v: z.literal(1),
  seq: z.int().positive(),
  /** Hash of the line before. */
  previous: Sha256,
  at: z.iso.datetime(),
  actor: AuditActor,
  /** Network address that the request came from. */
  from: z.string().max(100).optional(),
  /** Name of the admin route, or of what happened: `signedIn`, `secretRevealed`. */
  action: z.string().max(100),
  /** Id of what it is about. */
  subject: z.string().max(255).optional(),
  /** `done` with the change, in its transaction; `refused`: nothing changed; else the problem code. */
  outcome: z.string().max(100),
  /** Secrets and long texts are replaced. */
  before: z.unknown().optional(),
  /** What was asked for, likewise. */
  after: z.unknown().optional(),
})
export type AuditEntry = z.infer<typeof AuditEntry>

export const AuditHead = z.object({
  v: z.literal(1),
  siteId: SiteId,
  /** 0 and `AUDIT_START` before the first entry. */
  seq: z.int().nonnegative(),
  hash: Sha256,
  at: z.iso.datetime(),
  /** Standard base64 of the 32 raw bytes that verify the signature. */
  publicKey: z.base64(),
})
export type AuditHead = z.infer<typeof AuditHead>

/** Last line of an export. */
export const AuditHeadLine = z.object({ head: Envelope })

export const AuditPage = z.object({
  /** Lines, byte for byte; at most 1,000. */
  lines: z.array(z.string().max(40_000)).max(1_000),
})

export const AuditQuery = z.strictObject({
  /** Only lines with a larger number. */
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(1_000).default(1_000),
})
