/**
 * A new root that its holders sign one after the other, each at his own place: a file that goes round.
 *
 * Owns the file, what a holder is shown, and how copies are put together. Does not own what a root is
 * (`signed-metadata.ts`), nor the keys (`root-keys.ts`).
 *
 *   R1. The file holds the root before and the one that is proposed, and no secret. Only what a holder is shown is
 *       what he signs: it is computed from the signed bytes, never from anything that stands beside them.
 *   R2. Whose signatures count stands in the root before. A holder's own key must be one of these, or he is asked to
 *       sign for another site or another year.
 *   R3. A file that was not finished in time is no good any more: nobody signs it, and nobody puts it together. A
 *       signature itself has no end but the root's own; a proposal that was overtaken no longer follows the root.
 *   R4. Copies of the same proposal are put together by their signed bytes. A signature that does not verify is none.
 */
import { readFile, stat } from 'node:fs/promises'
import { RootCeremonyFile } from '@sluice/protocol'
import { type Metadata, type Root, Signature } from '@tufjs/models'
import { failLocally } from '../local-failure.ts'
import type { SigningKey } from './key-file.ts'
import { readRoot, rootRole, type TrustedRoot } from './signed-metadata.ts'

const MAX_FILE_BYTES = 1024 * 1024

export interface Ceremony {
  file: RootCeremonyFile
  before: TrustedRoot
  next: TrustedRoot
}

/** A proposal as it goes round. @param lifeMs how long holders may take */
export function propose(
  order: { what: RootCeremonyFile['what']; before: TrustedRoot; next: string },
  lifeMs: number,
  now: number,
): RootCeremonyFile {
  const { what, before, next } = order
  const expiresAt = new Date(now + lifeMs).toISOString()
  return { format: 'sluice-root-ceremony/1', what, expiresAt, before: before.text, next }
}

/** Reads a file that came from elsewhere. Fails locally when it is none, or too late (R3). */
export async function readCeremony(path: string, now: number): Promise<Ceremony> {
  if ((await stat(path)).size > MAX_FILE_BYTES) failLocally(`${path} is too long.`)
  const text = await readFile(path, 'utf8')
  const ceremony = parsed(text) ?? failLocally(`${path} is no new root to be signed.`)
  const { file, before, next } = ceremony
  if (Date.parse(file.expiresAt) <= now) failLocally(`${path} had to be finished by ${file.expiresAt}: begin again.`)
  if (next.version !== before.version + 1)
    failLocally(`${path}: root ${next.version} does not follow ${before.version}.`)
  return ceremony
}

function parsed(text: string): Ceremony | undefined {
  try {
    const file = RootCeremonyFile.parse(JSON.parse(text))
    return { file, before: readRoot(file.before), next: readRoot(file.next) }
  } catch {
    return undefined
  }
}

/**
 * The whole of the proposed root, from the bytes that are signed (R1). The root before may be a forgery, too: so all
 * keys are named, and not only those that differ from it.
 */
export function contentsOf({ before, next }: Pick<Ceremony, 'before' | 'next'>): string[] {
  const { roles, unrecognizedFields = {} } = next.metadata.signed
  const lines = [
    `Root ${next.version}, good until ${new Date(next.expiresAt).toISOString()}, ${next.mode} mode.`,
    `It follows root ${before.version}, which ${before.mode === next.mode ? 'has the same' : 'had another'} mode.`,
  ]
  for (const [role, { keyIDs, threshold }] of Object.entries(roles)) {
    const was = before.metadata.signed.roles[role]
    const now = was === undefined || was.threshold === threshold ? '' : ` (before: ${was.threshold})`
    lines.push(`${role}: ${threshold} of ${keyIDs.length} must sign${now}`)
    for (const id of keyIDs) lines.push(`  ${id}${was?.keyIDs.includes(id) === true ? '' : '  NEW'}`)
    for (const id of was?.keyIDs ?? []) if (!keyIDs.includes(id)) lines.push(`  ${id}  GOES`)
  }
  for (const [field, value] of Object.entries(unrecognizedFields)) {
    const same = JSON.stringify(before.metadata.signed.unrecognizedFields?.[field]) === JSON.stringify(value)
    lines.push(`${field}: ${JSON.stringify(value)}${same ? '' : '  NEW'}`)
  }
  return lines
}

/** The file with one signature more (R2). */
export function signCeremony({ file, before, next }: Ceremony, key: SigningKey): RootCeremonyFile {
  if (!rootRole(before).keyids.includes(key.keyid) && !rootRole(next).keyids.includes(key.keyid))
    failLocally(`The key ${key.keyid} is no root key there.`)
  const { metadata } = readRoot(file.next)
  metadata.sign((bytes) => new Signature({ keyID: key.keyid, sig: Buffer.from(key.sign(bytes)).toString('hex') }), true)
  return { ...file, next: JSON.stringify(metadata.toJSON()) }
}

/** Copies of one proposal, with all their signatures (R4). Fails locally when they are of several. */
export function putTogether(copies: readonly Ceremony[]): Ceremony {
  const [first, ...others] = copies
  if (first === undefined) return failLocally('Give at least one file.')
  const bytesOf = ({ next }: Ceremony) => JSON.stringify(next.metadata.signed.toJSON())
  const whole = readRoot(first.file.next)
  const all = validOf(first)
  for (const other of others) {
    if (other.file.before !== first.file.before || bytesOf(other) !== bytesOf(first))
      failLocally('These files are copies of different proposals.')
    Object.assign(all, validOf(other))
  }
  whole.metadata.signatures = all
  const text = JSON.stringify(whole.metadata.toJSON())
  return { ...first, file: { ...first.file, next: text }, next: readRoot(text) }
}

/** How many signatures still lack, of those of before and of those of now. */
export function lacking({ before, next }: Pick<Ceremony, 'before' | 'next'>): number {
  return Math.max(missing(before, next.metadata), missing(next, next.metadata))
}

const missing = (root: TrustedRoot, metadata: Metadata<Root>): number => {
  const { keyids, threshold } = rootRole(root)
  return Math.max(0, threshold - keyids.filter((keyid) => isSigned(root, keyid, metadata)).length)
}

/** R4 */
const validOf = ({ before, next }: Ceremony): Record<string, Signature> =>
  Object.fromEntries(
    Object.entries(next.metadata.signatures).filter(([keyid]) =>
      [before, next].some((root) => isSigned(root, keyid, next.metadata)),
    ),
  )

function isSigned(root: TrustedRoot, keyid: string, metadata: Metadata<Root>): boolean {
  const key = root.metadata.signed.keys[keyid]
  try {
    key?.verifySignature(metadata)
    return key !== undefined
  } catch {
    return false
  }
}
