/** TUF metadata as signed bytes. Pure: versions and times come from the caller. */
import { createHash } from 'node:crypto'
import {
  CATALOGUE_MODE_FIELD,
  type CatalogueMode,
  POLICY_KEYS_FIELD,
  type PolicyKey,
  type Sha256,
  type SigningRole,
} from '@sluice/protocol'
import {
  Key,
  Metadata,
  MetadataKind,
  MetaFile,
  Root,
  Signature,
  Snapshot,
  TargetFile,
  Targets,
  Timestamp,
} from '@tufjs/models'
import type { SigningKey } from '../keys/keyring.ts'
import { bins } from './roles.ts'

const SPECIFICATION = '1.0.31'

/** Version and expiry of a role. `expiresAt` in milliseconds since 1970, kept to the second as TUF asks. */
export interface Stamp {
  version: number
  expiresAt: number
}

/** A published file as the role above it names it. */
export interface PublishedFile {
  version: number
  sha256: Sha256
  lengthBytes: number
}

export interface Target {
  name: string
  sha256: Sha256
  lengthBytes: number
}

export const sha256 = (bytes: Uint8Array): Sha256 => createHash('sha256').update(bytes).digest('hex') as Sha256

/** The keys that a root lists, by role. */
export type RootKeys = Readonly<Record<SigningRole, SigningKey>>

/** @param alsoBy signs too, as the root key before does */
export function rootMetadata(keys: RootKeys, mode: CatalogueMode, stamp: Stamp, alsoBy?: SigningKey): Uint8Array {
  const root = new Root({
    ...signed(stamp),
    consistentSnapshot: true,
    unrecognizedFields: { [POLICY_KEYS_FIELD]: [policyKey(keys.policy)], [CATALOGUE_MODE_FIELD]: mode },
  })
  root.addKey(tufKey(keys.root), MetadataKind.Root)
  root.addKey(tufKey(keys.release), MetadataKind.Targets)
  root.addKey(tufKey(keys.snapshot), MetadataKind.Snapshot)
  root.addKey(tufKey(keys.timestamp), MetadataKind.Timestamp)
  return finish(new Metadata(root), keys.root, alsoBy)
}

/** The top-level targets: nothing but the delegation to the bins. */
export function targetsMetadata(release: SigningKey, stamp: Stamp): Uint8Array {
  const delegations = {
    keys: { [release.keyid]: tufKey(release).toJSON() },
    roles: bins.map(({ role, prefix }) => ({
      name: role,
      keyids: [release.keyid],
      threshold: 1,
      terminating: true,
      path_hash_prefixes: [prefix],
    })),
  }
  // The class for delegations is not exported: it is made from JSON.
  const targets = Targets.fromJSON({ ...new Targets(signed(stamp)).toJSON(), delegations })
  return finish(new Metadata(targets), release)
}

export function binMetadata(release: SigningKey, stamp: Stamp, targets: readonly Target[]): Uint8Array {
  const bin = new Targets(signed(stamp))
  for (const { name, sha256, lengthBytes } of targets)
    bin.addTarget(new TargetFile({ path: name, length: lengthBytes, hashes: { sha256 } }))
  return finish(new Metadata(bin), release)
}

/** @param files what is published now, by role: `targets` and every bin */
export function snapshotMetadata(key: SigningKey, stamp: Stamp, files: ReadonlyMap<string, PublishedFile>): Uint8Array {
  const meta = Object.fromEntries([...files].map(([role, file]) => [`${role}.json`, metaFile(file)]))
  return finish(new Metadata(new Snapshot({ ...signed(stamp), meta })), key)
}

export function timestampMetadata(key: SigningKey, stamp: Stamp, snapshot: PublishedFile): Uint8Array {
  const snapshotMeta = metaFile(snapshot)
  return finish(new Metadata(new Timestamp({ ...signed(stamp), snapshotMeta })), key)
}

export const policyKey = (key: SigningKey): PolicyKey => ({
  keyid: key.keyid,
  publicKey: Buffer.from(key.publicKey).toString('base64'),
})

/** The bin that is responsible for a target (TUF 1.0, `path_hash_prefixes`). */
export function binOf(targetName: string): string {
  return `bin-${createHash('sha256').update(targetName).digest('hex').charAt(0)}`
}

const signed = ({ version, expiresAt }: Stamp) => ({
  version,
  specVersion: SPECIFICATION,
  expires: `${new Date(expiresAt).toISOString().slice(0, 19)}Z`,
})

function tufKey(key: SigningKey): Key {
  return new Key({
    keyID: key.keyid,
    keyType: 'ed25519',
    scheme: 'ed25519',
    keyVal: { public: Buffer.from(key.publicKey).toString('hex') },
  })
}

const metaFile = ({ version, sha256, lengthBytes }: PublishedFile) =>
  new MetaFile({ version, length: lengthBytes, hashes: { sha256 } })

function finish(
  metadata: Metadata<Root | Targets | Snapshot | Timestamp>,
  ...keys: readonly (SigningKey | undefined)[]
): Uint8Array {
  for (const key of new Set(keys)) if (key !== undefined) addSignature(metadata, key)
  return new TextEncoder().encode(JSON.stringify(metadata.toJSON()))
}

/** Adds a signature to those that are there. */
export function addSignature(metadata: Metadata<Root | Targets | Snapshot | Timestamp>, key: SigningKey): void {
  const signature = (bytes: Uint8Array) => Buffer.from(key.sign(bytes)).toString('hex')
  metadata.sign((bytes) => new Signature({ keyID: key.keyid, sig: signature(bytes) }), true)
}
