import {
  AnonymousCredential,
  BlobSASPermissions,
  type BlobServiceClient,
  type ContainerClient,
  generateBlobSASQueryParameters,
  SASProtocol,
  StorageSharedKeyCredential,
  type UserDelegationKey,
} from '@azure/storage-blob'

/** Gives OAuth tokens for Azure Storage, as the classes of `@azure/identity` do. */
export interface AzureTokenCredential {
  getToken(scopes: string | string[]): Promise<{ token: string; expiresOnTimestamp: number } | null>
}

export type AzureCredential =
  | { kind: 'sharedKey'; account: string; key: string }
  /** A shared access signature of the container, without `?`. It can sign nothing for others. */
  | { kind: 'sas'; token: string }
  /** May need *Storage Blob Delegator* beside a data role, to sign addresses. */
  | { kind: 'token'; credential: AzureTokenCredential }
  /** A user delegation key: signs addresses, and opens nothing itself. */
  | { kind: 'delegationKey'; key: UserDelegationKey }

/** A key that signs for a token credential, and when it is replaced by the next. */
const DELEGATION_KEY_MS = 60 * 60_000
const RENEW_BEFORE_MS = 15 * 60_000
/** The newest form of signature that every storage known to us checks. */
export const SAS_VERSION = '2024-11-04'

/** Query parameters of a SAS for one blob, or undefined when the credentials cannot sign. */
export type Signer = (blobName: string, expiresAtMs: number) => Promise<string | undefined>

/** The credential as the library takes it; a SAS is part of the address instead. */
export function libraryCredential(credential: AzureCredential) {
  if (credential.kind === 'sharedKey') return new StorageSharedKeyCredential(credential.account, credential.key)
  return credential.kind === 'token' ? credential.credential : new AnonymousCredential()
}

export function createSigner(
  container: ContainerClient,
  service: BlobServiceClient,
  credential: AzureCredential,
): Signer {
  const values = (blobName: string, expiresAtMs: number) => ({
    containerName: container.containerName,
    blobName,
    permissions: BlobSASPermissions.parse('r'),
    expiresOn: new Date(expiresAtMs),
    protocol: container.url.startsWith('https:') ? SASProtocol.Https : SASProtocol.HttpsAndHttp,
    version: SAS_VERSION,
  })
  if (credential.kind === 'sas') return async () => undefined
  if (credential.kind === 'sharedKey') {
    const key = new StorageSharedKeyCredential(credential.account, credential.key)
    return async (name, expiresAtMs) => generateBlobSASQueryParameters(values(name, expiresAtMs), key).toString()
  }
  if (credential.kind === 'delegationKey') {
    const { key } = credential
    return async (name, expiresAtMs) =>
      generateBlobSASQueryParameters(values(name, expiresAtMs), key, container.accountName).toString()
  }
  let held: { key: Promise<UserDelegationKey>; renewAtMs: number } | undefined
  const delegationKey = (): Promise<UserDelegationKey> => {
    const nowMs = Date.now()
    if (held === undefined || nowMs >= held.renewAtMs) {
      const key = service.getUserDelegationKey(new Date(nowMs - RENEW_BEFORE_MS), new Date(nowMs + DELEGATION_KEY_MS))
      const holding = { key, renewAtMs: nowMs + DELEGATION_KEY_MS - RENEW_BEFORE_MS }
      held = holding
      key.catch(() => {
        if (held === holding) held = undefined
      })
    }
    return held.key
  }
  return async (name, expiresAtMs) =>
    generateBlobSASQueryParameters(values(name, expiresAtMs), await delegationKey(), container.accountName).toString()
}
