/**
 * The catalogue's metadata as a workstation makes and verifies it (TUF 1.0). Nothing here believes a
 * site: what comes from one is verified against a root that is trusted already.
 */
import { createHash } from 'node:crypto'
import {
  CATALOGUE_MODE_FIELD,
  type CatalogueMode,
  catalogueBins,
  catalogueLives,
  POLICY_KEYS_FIELD,
  type PolicyKey,
  type SigningRole,
} from '@sluice/protocol'
import { Metadata, MetadataKind, Root, Signature, TargetFile, Targets } from '@tufjs/models'
import { failLocally } from '../local-failure.ts'
import type { SigningKey } from './key-file.ts'

const SPECIFICATION = '1.0.31'

/** What a released name means. */
export interface Listed {
  sha256: string
  lengthBytes: number
}

type PublicKeyOf = Pick<PolicyKey, 'keyid' | 'publicKey'>

export const binOf = (name: string): string => `bin-${createHash('sha256').update(name).digest('hex').charAt(0)}`

/** TUF's name for the key that signs releases is `targets`. */
const tufRole = (role: Exclude<SigningRole, 'policy'>): string => (role === 'release' ? 'targets' : role)

export interface TrustedRoot {
  /** As it is published, byte for byte. */
  text: string
  version: number
  mode: CatalogueMode
  expiresAt: number
  metadata: Metadata<Root>
}

export function readRoot(text: string): TrustedRoot {
  const metadata = Metadata.fromJSON(MetadataKind.Root, JSON.parse(text))
  const { version, expires, unrecognizedFields } = metadata.signed
  const mode = unrecognizedFields?.[CATALOGUE_MODE_FIELD] === 'online' ? 'online' : 'offline'
  return { text, version, mode, expiresAt: Date.parse(expires), metadata }
}

/** The next root, when the one before and it itself signed it. Fails locally otherwise. */
export function followRoot(before: TrustedRoot, text: string): TrustedRoot {
  const next = readRoot(text)
  if (next.version !== before.version + 1)
    failLocally(`The site gives root ${next.version} as the one after ${before.version}.`)
  verify('The root', () => before.metadata.verifyDelegate('root', next.metadata))
  verify('The root', () => next.metadata.verifyDelegate('root', next.metadata))
  return next
}

/** The list of a role, when the right key signed it. */
export function readList(role: string, text: string, root: TrustedRoot, top?: Metadata<Targets>): Metadata<Targets> {
  const list = Metadata.fromJSON(MetadataKind.Targets, JSON.parse(text))
  verify(role, () =>
    top === undefined ? root.metadata.verifyDelegate('targets', list) : top.verifyDelegate(role, list),
  )
  return list
}

function verify(what: string, check: () => void): void {
  try {
    check()
  } catch (error) {
    failLocally(`${what}: what the site has was not signed by the key that is trusted here (${String(error)}).`)
  }
}

/** Changes to a root; what is not named stays. */
export interface RootChange {
  mode?: CatalogueMode
  keys?: Partial<Record<SigningRole, PublicKeyOf>>
  /** All root keys, and how many of them must sign. */
  roots?: { keys: readonly PublicKeyOf[]; threshold: number }
  /** One root key in the place of another; as many must sign as before. */
  replaceRoot?: { keyid: string; by: PublicKeyOf }
}

/** Whose signatures the root after this one needs, and how many. */
export function rootRole({ metadata }: TrustedRoot): { keyids: string[]; threshold: number } {
  const role = metadata.signed.roles.root
  return { keyids: role?.keyIDs ?? [], threshold: role?.threshold ?? 1 }
}

/** The root after `from`. @param signers the root keys of before and of now @param now milliseconds since 1970 */
export function nextRoot(from: TrustedRoot, change: RootChange, signers: readonly SigningKey[], now: number): string {
  const json = structuredClone(from.metadata.signed.toJSON()) as {
    keys: Record<string, unknown>
    roles: Record<string, { keyids: string[]; threshold: number }>
    [field: string]: unknown
  }
  json.version = from.version + 1
  json.expires = expiry(now, 'root')
  if (change.mode !== undefined) json[CATALOGUE_MODE_FIELD] = change.mode
  for (const role of ['root', 'release', 'snapshot', 'timestamp'] as const) {
    const key = change.keys?.[role]
    if (key === undefined) continue
    json.keys[key.keyid] = tufKey(key)
    json.roles[tufRole(role)] = { keyids: [key.keyid], threshold: 1 }
  }
  const { roots, replaceRoot } = change
  if (roots !== undefined) {
    for (const key of roots.keys) json.keys[key.keyid] = tufKey(key)
    json.roles.root = { keyids: roots.keys.map(({ keyid }) => keyid), threshold: roots.threshold }
  }
  if (replaceRoot !== undefined) {
    const { keyid: before, by } = replaceRoot
    const { keyids, threshold } = rootRole(from)
    if (!keyids.includes(before)) failLocally(`The root does not list the key ${before}.`)
    json.keys[by.keyid] = tufKey(by)
    json.roles.root = { keyids: keyids.map((keyid) => (keyid === before ? by.keyid : keyid)), threshold }
  }
  if (change.keys?.policy !== undefined) json[POLICY_KEYS_FIELD] = [change.keys.policy]
  const used = new Set(Object.values(json.roles).flatMap(({ keyids }) => keyids))
  for (const keyid of Object.keys(json.keys)) if (!used.has(keyid)) delete json.keys[keyid]
  return signed(new Metadata(Root.fromJSON(json as never)), signers)
}

/** The top-level targets: nothing but the delegation to the bins. */
export function targetsText(key: SigningKey, version: number, now: number): string {
  const delegations = {
    keys: { [key.keyid]: tufKey(key) },
    roles: catalogueBins.map(({ role, prefix }) => ({
      name: role,
      keyids: [key.keyid],
      threshold: 1,
      terminating: true,
      path_hash_prefixes: [prefix],
    })),
  }
  return signed(new Metadata(Targets.fromJSON({ ...emptyTargets(version, now).toJSON(), delegations })), [key])
}

export function binText(
  key: SigningKey,
  version: number,
  listed: Iterable<readonly [string, Listed]>,
  now: number,
): string {
  const bin = emptyTargets(version, now)
  for (const [path, { sha256, lengthBytes }] of listed)
    bin.addTarget(new TargetFile({ path, length: lengthBytes, hashes: { sha256 } }))
  return signed(new Metadata(bin), [key])
}

const emptyTargets = (version: number, now: number): Targets =>
  new Targets({ version, specVersion: SPECIFICATION, expires: expiry(now, 'targets') })

const expiry = (now: number, life: 'root' | 'targets'): string =>
  `${new Date(now + catalogueLives[life].lifeMs).toISOString().slice(0, 19)}Z`

const tufKey = ({ publicKey }: PublicKeyOf) => ({
  keytype: 'ed25519',
  scheme: 'ed25519',
  keyval: { public: Buffer.from(publicKey, 'base64').toString('hex') },
})

function signed(metadata: Metadata<Root | Targets>, keys: readonly SigningKey[]): string {
  for (const key of keys)
    metadata.sign(
      (bytes) => new Signature({ keyID: key.keyid, sig: Buffer.from(key.sign(bytes)).toString('hex') }),
      true,
    )
  return JSON.stringify(metadata.toJSON())
}
