/** What a published root says: whose signatures count for what, and in which mode the site is. */
import {
  CATALOGUE_MODE_FIELD,
  type CatalogueMode,
  CatalogueRootFields,
  POLICY_KEYS_FIELD,
  type SigningRole,
} from '@sluice/protocol'
import { Metadata, MetadataKind, type Root } from '@tufjs/models'
import type { Keyring, SigningKey } from '../keys/keyring.ts'

export interface TrustedRoot {
  metadata: Metadata<Root>
  version: number
  mode: CatalogueMode
  /** Key ids that count, by role. */
  keyids: Readonly<Record<SigningRole, readonly string[]>>
}

/** Throws when the bytes are no root. */
export function readRoot(bytes: Uint8Array): TrustedRoot {
  const metadata = Metadata.fromJSON(MetadataKind.Root, JSON.parse(new TextDecoder().decode(bytes)))
  const { roles, version, unrecognizedFields } = metadata.signed
  const own = CatalogueRootFields.parse(unrecognizedFields)
  const of = (role: string) => roles[role]?.keyIDs ?? []
  return {
    metadata,
    version,
    mode: own[CATALOGUE_MODE_FIELD],
    keyids: {
      root: of('root'),
      release: of('targets'),
      snapshot: of('snapshot'),
      timestamp: of('timestamp'),
      policy: own[POLICY_KEYS_FIELD].map((key) => key.keyid),
    },
  }
}

export type TrustedKeys = Partial<Record<SigningRole, SigningKey>>

/** Of the keys that are here, in use or waiting, those that the root trusts. Without a root, those in use. */
export function trustedKeys(keyring: Keyring, root: TrustedRoot | undefined): TrustedKeys {
  const keys: TrustedKeys = {}
  for (const role of ['root', 'release', 'snapshot', 'timestamp', 'policy'] as const) {
    const key = [keyring[role], keyring.next(role)].find(
      (one) => one !== undefined && (root === undefined || root.keyids[role].includes(one.keyid)),
    )
    if (key !== undefined) keys[role] = key
  }
  return keys
}
