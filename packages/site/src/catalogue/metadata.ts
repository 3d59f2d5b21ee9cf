/** TUF metadata as signed bytes. Pure: versions and times come from the caller. */
import { createHash } from 'node:crypto'
import {
  CATALOGUE_MODE_FIELD,
  type CatalogueMode,
  POLICY_KEYS_FIELD,
  type PolicyKey,
  type Sha256,
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
import type { Keyring, SigningKey } from '../keys/keyring.ts'
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

export function rootMetadata(keyring: Keyring, stamp: Stamp): Uint8Array {
  const root = new Root({
    ...signed(stamp),
    consistentSnapshot: true,
    unrecognizedFields: {
      [POLICY_KEYS_FIELD]: [policyKey(keyring.policy)],
      [CATALOGUE_MODE_FIELD]: 'online' satisfies CatalogueMode,
    },
  })
  root.addKey(tufKey(keyring.root), MetadataKind.Root)
  root.addKey(tufKey(keyring.release), MetadataKind.Targets)
  root.addKey(tufKey(keyring.snapshot), MetadataKind.Snapshot)
  root.addKey(tufKey(keyring.timestamp), MetadataKind.Timestamp)
  return finish(new Metadata(root), keyring.root)
}

/** The top-level targets: nothing but the delegation to the bins. */
export function targetsMetadata(keyring: Keyring, stamp: Stamp): Uint8Array {
  const delegations = {
    keys: { [keyring.release.keyid]: tufKey(keyring.release).toJSON() },
    roles: bins.map(({ role, prefix }) => ({
      name: role,
      keyids: [keyring.release.keyid],
      threshold: 1,
      terminating: true,
      path_hash_prefixes: [prefix],
    })),
  }
  // The class for delegations is not exported: it is made from JSON.
  const targets = Targets.fromJSON({ ...new Targets(signed(stamp)).toJSON(), delegations })
  return finish(new Metadata(targets), keyring.release)
}

export function binMetadata(keyring: Keyring, stamp: Stamp, targets: readonly Target[]): Uint8Array {
  const bin = new Targets(signed(stamp))
  for (const { name, sha256, lengthBytes } of targets)
    bin.addTarget(new TargetFile({ path: name, length: lengthBytes, hashes: { sha256 } }))
  return finish(new Metadata(bin), keyring.release)
}

/** @param files what is published now, by role: `targets` and every bin */
export function snapshotMetadata(
  keyring: Keyring,
  stamp: Stamp,
  files: ReadonlyMap<string, PublishedFile>,
): Uint8Array {
  const meta = Object.fromEntries([...files].map(([role, file]) => [`${role}.json`, metaFile(file)]))
  return finish(new Metadata(new Snapshot({ ...signed(stamp), meta })), keyring.snapshot)
}

export function timestampMetadata(keyring: Keyring, stamp: Stamp, snapshot: PublishedFile): Uint8Array {
  const snapshotMeta = metaFile(snapshot)
  return finish(new Metadata(new Timestamp({ ...signed(stamp), snapshotMeta })), keyring.timestamp)
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

function finish(metadata: Metadata<Root | Targets | Snapshot | Timestamp>, key: SigningKey): Uint8Array {
  metadata.sign((bytes) => new Signature({ keyID: key.keyid, sig: Buffer.from(key.sign(bytes)).toString('hex') }))
  return new TextEncoder().encode(JSON.stringify(metadata.toJSON()))
}
