/**
 * A cloud distribution point as a store: for the site, which writes with credentials that stay there,
 * and for a gateway, which gets what reads and nothing else (design §5, Gateway).
 */
import {
  BlobServiceClient,
  ContainerClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  SASProtocol,
  StorageSharedKeyCredential,
  type UserDelegationKey,
} from '@azure/storage-blob'
import type { PointAccess, PointStorage, Principal } from '@sluice/protocol'
import { openAzureBlobStore } from './azure-blob-store.ts'
import { SAS_VERSION } from './azure-credential.ts'
import { asked } from './azure-refusal.ts'
import { clientSecretCredential } from './azure-token.ts'
import type { CloudStore, UploadOptions } from './cloud-store.ts'
import { openS3Store } from './s3-store.ts'

type AzureStorage = Extract<PointStorage, { kind: 'azureBlob' }>

/** Clocks of the storage and of the site may differ so much, in milliseconds. */
const SKEW_MS = 15 * 60_000

/** Opens the storage with the site's own credentials. Asks nothing of it yet. */
export function openPointStorage(storage: PointStorage, options: UploadOptions = {}): CloudStore {
  if (storage.kind === 's3') {
    const { writer, reader: _, kind: __, ...bucket } = storage
    return openS3Store({ ...bucket, ...options, credentials: writer })
  }
  const { containerUrl, prefix, credential } = storage
  const opened =
    credential.kind === 'token'
      ? { kind: 'token' as const, credential: clientSecretCredential(credential) }
      : credential.kind === 'sas'
        ? { kind: 'sas' as const, token: withoutMark(credential.token) }
        : credential
  return openAzureBlobStore({ ...options, containerUrl, prefix, credential: opened })
}

/** Opens the storage as a gateway does. `signedUrl` gives `STORAGE_CANNOT_SIGN` where it relays. */
export function openPointAccess(access: PointAccess, options: UploadOptions = {}): CloudStore {
  switch (access.kind) {
    case 's3':
      return openS3Store({ ...access, ...options })
    case 'azureSas': {
      const { containerUrl, prefix, token } = access
      return openAzureBlobStore({ ...options, containerUrl, prefix, credential: { kind: 'sas', token } })
    }
    case 'azureDelegation': {
      const { containerUrl, prefix } = access
      const { signedStartsOn, signedExpiresOn, ...key } = access.key
      const dated = { ...key, signedStartsOn: new Date(signedStartsOn), signedExpiresOn: new Date(signedExpiresOn) }
      const credential = { kind: 'delegationKey', key: dated } as const
      return openAzureBlobStore({ ...options, containerUrl, prefix, credential })
    }
  }
}

/**
 * What a gateway gets to read with, good for `lifeMs`. Azure is asked for a key where a principal
 * signs. Throws `STORAGE_REFUSED` or `STORAGE_UNAVAILABLE`.
 */
export async function pointAccess(storage: PointStorage, lifeMs: number, nowMs: number): Promise<PointAccess> {
  if (storage.kind === 's3') {
    const { endpoint, region, bucket, addressing, prefix, reader } = storage
    return { kind: 's3', endpoint, region, bucket, addressing, prefix, credentials: reader }
  }
  const { containerUrl, prefix, credential } = storage
  const relayed = (token: string) => ({ kind: 'azureSas', containerUrl, prefix, token: withoutMark(token) }) as const
  if (credential.kind === 'sas') return relayed(credential.readerToken)
  if (credential.kind === 'sharedKey') {
    const key = new StorageSharedKeyCredential(credential.account, credential.key)
    return relayed(generateBlobSASQueryParameters(readValues(storage, lifeMs, nowMs), key).toString())
  }
  const principal = credential.reader ?? credential
  const key = await delegationKey(storage, principal, credential.authority, lifeMs, nowMs)
  if (credential.reader === undefined) {
    const { accountName } = new ContainerClient(containerUrl)
    return relayed(generateBlobSASQueryParameters(readValues(storage, lifeMs, nowMs), key, accountName).toString())
  }
  const { signedObjectId, signedTenantId, signedService, signedVersion, value } = key
  const days = { signedStartsOn: key.signedStartsOn.toISOString(), signedExpiresOn: key.signedExpiresOn.toISOString() }
  const wire = { signedObjectId, signedTenantId, signedService, signedVersion, value, ...days }
  return { kind: 'azureDelegation', containerUrl, prefix, key: wire }
}

/** Where signed addresses lead: the origin that devices must know. */
export function pointOrigin(storage: PointStorage): string {
  if (storage.kind === 'azureBlob') return new URL(storage.containerUrl).origin
  const url = new URL(storage.endpoint)
  if (storage.addressing === 'host') url.host = `${storage.bucket}.${url.host}`
  return url.origin
}

/** For people; no secret. */
export const pointAddress = (storage: PointStorage): string =>
  storage.kind === 'azureBlob'
    ? `${storage.containerUrl}/${storage.prefix}`
    : `${storage.endpoint.replace(/\/$/, '')}/${storage.bucket}/${storage.prefix}`

function readValues({ containerUrl }: AzureStorage, lifeMs: number, nowMs: number) {
  return {
    containerName: new ContainerClient(containerUrl).containerName,
    permissions: ContainerSASPermissions.parse('r'),
    startsOn: new Date(nowMs - SKEW_MS),
    expiresOn: new Date(nowMs + lifeMs),
    protocol: containerUrl.startsWith('https:') ? SASProtocol.Https : SASProtocol.HttpsAndHttp,
    version: SAS_VERSION,
  }
}

function delegationKey(
  { containerUrl }: AzureStorage,
  principal: Principal,
  authority: string,
  lifeMs: number,
  nowMs: number,
): Promise<UserDelegationKey> {
  const account = containerUrl.slice(0, containerUrl.lastIndexOf('/'))
  const service = new BlobServiceClient(account, clientSecretCredential({ ...principal, authority }))
  return asked('giving out a key to sign with', () =>
    service.getUserDelegationKey(new Date(nowMs - SKEW_MS), new Date(nowMs + lifeMs)),
  )
}

/** Portals show signatures with their question mark. */
const withoutMark = (token: string): string => token.replace(/^\?/, '')
