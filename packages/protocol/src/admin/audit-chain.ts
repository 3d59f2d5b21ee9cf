/**
 * Checks an exported audit, with nothing but the file, the public key and heads that were kept. Hashing
 * and verifying are brought by the caller: this package has no cryptography.
 */
import { type Envelope, preAuthEncoding, readSignedJson } from '../dsse.ts'
import { AUDIT_HEAD_TYPE, AUDIT_START, AuditEntry, AuditHead, AuditHeadLine } from './audit.ts'

export interface AuditChecks {
  /** SHA-256 in hexadecimal. */
  hash(text: string): string
  /** Ed25519; `publicKey` in standard base64. */
  verifies(publicKey: string, bytes: Uint8Array, signature: string): boolean
  /** Standard base64 to bytes. */
  decode(base64: string): Uint8Array
}

export type AuditVerdict =
  | { whole: true; first: number; last: number; heads: AuditHead[] }
  /** `line`: 1-based, where it stops being right. */
  | { whole: false; line: number; fault: string }

/** Opens a signed head. @returns undefined when it is none or its signature is wrong */
export function openAuditHead(envelope: Envelope, checks: AuditChecks): AuditHead | undefined {
  if (envelope.payloadType !== AUDIT_HEAD_TYPE) return undefined
  const bytes = checks.decode(envelope.payload)
  const read = readSignedJson(bytes)
  const head = AuditHead.safeParse(read.ok ? read.value : undefined)
  if (!head.success) return undefined
  const signed = preAuthEncoding(envelope.payloadType, bytes)
  return envelope.signatures.some(({ sig }) => checks.verifies(head.data.publicKey, signed, sig))
    ? head.data
    : undefined
}

/**
 * Reads the lines of an export one by one.
 * @param known heads that were kept elsewhere, already opened: each must lie on the chain
 * @param publicKey that must have signed the head at the end; undefined: any
 */
export async function checkAudit(
  lines: AsyncIterable<string>,
  checks: AuditChecks,
  { known, publicKey }: { known: readonly AuditHead[]; publicKey?: string | undefined },
): Promise<AuditVerdict> {
  let line = 0
  let at = { seq: 0, hash: AUDIT_START as string }
  let first: number | undefined
  const heads: AuditHead[] = []
  const wrong = (fault: string): AuditVerdict => ({ whole: false, line, fault })
  /** Heads that belong to the present place of the chain. */
  const broken = () => known.find((head) => head.seq === at.seq && head.hash !== at.hash)

  for await (const text of lines) {
    line += 1
    if (text === '') continue
    if (heads.length > 0) return wrong('there is something after the head')
    const value = parsed(text)
    const end = AuditHeadLine.safeParse(value)
    if (end.success) {
      const head = openAuditHead(end.data.head, checks)
      if (head === undefined) return wrong('the signature of the head is wrong')
      if (publicKey !== undefined && head.publicKey !== publicKey) return wrong('another key signed the head')
      if (head.seq !== at.seq || head.hash !== at.hash)
        return wrong(
          `the head is of entry ${head.seq}, and the file ends with entry ${at.seq}${head.seq === at.seq ? ', which was changed' : ''}`,
        )
      heads.push(head)
      continue
    }
    const entry = AuditEntry.safeParse(value)
    if (!entry.success) return wrong('this is no entry of an audit')
    const { seq, previous } = entry.data
    if (first === undefined && seq > 1) {
      const before = known.find((head) => head.seq === seq - 1)
      if (before === undefined) return wrong(`the file begins with entry ${seq}; give the head of entry ${seq - 1}`)
      at = { seq: before.seq, hash: before.hash }
    }
    first ??= seq
    if (seq !== at.seq + 1) return wrong(`entry ${seq} follows entry ${at.seq}`)
    if (previous !== at.hash)
      return wrong(`entry ${at.seq} was changed: its hash is not the one that entry ${seq} names`)
    at = { seq, hash: checks.hash(text) }
    if (broken() !== undefined) return wrong(`entry ${seq} is not the one that a kept head names`)
  }
  if (broken() !== undefined) return wrong(`entry ${at.seq} is not the one that a kept head names`)
  const [later] = known.filter((head) => head.seq > at.seq)
  if (later !== undefined) return wrong(`the file ends with entry ${at.seq}, and there was an entry ${later.seq}`)
  if (heads.length === 0) return wrong('the signed head at the end is missing')
  return { whole: true, first: first ?? 0, last: at.seq, heads }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
