import { deepEqual, equal, ok } from 'node:assert/strict'
import { after, test } from 'node:test'
import {
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { sha256 } from '../pack/hash.ts'
import { azuriteAccount, azuriteKey, startAzurite } from '../testing/azurite.ts'
import { oauthToken, startAzuriteTls } from '../testing/azurite-tls.ts'
import { cloudStoreContract } from '../testing/cloud-store-contract.ts'
import { value } from '../testing/value.ts'
import { openAzureBlobStore } from './azure-blob-store.ts'
import type { AzureCredential } from './azure-credential.ts'

const azurite = await startAzurite()
const azuriteTls = await startAzuriteTls()
after(async () => {
  await azurite.close()
  await azuriteTls.close()
})

const sharedKey = (key: string): AzureCredential => ({ kind: 'sharedKey', account: azuriteAccount, key })
const name = { kind: 'pack', hash: sha256(Buffer.from('bytes')) } as const

const sas = (containerName: string, permissions: string, key = azuriteKey): AzureCredential => ({
  kind: 'sas',
  token: generateBlobSASQueryParameters(
    {
      containerName,
      permissions: ContainerSASPermissions.parse(permissions),
      expiresOn: new Date(Date.now() + 3_600_000),
    },
    new StorageSharedKeyCredential(azuriteAccount, key),
  ).toString(),
})
const token = (audience?: string): AzureCredential => ({
  kind: 'token',
  credential: { getToken: async () => ({ token: oauthToken(audience), expiresOnTimestamp: Date.now() + 3_600_000 }) },
})
const wrongKey = Buffer.alloc(64).toString('base64')

for (const [what, server, right, wrong, signs] of [
  ['account key', azurite, () => sharedKey(azuriteKey), () => sharedKey(wrongKey), true],
  [
    'shared access signature',
    azurite,
    (at: string) => sas(at, 'racwdl'),
    (at: string) => sas(at, 'racwdl', wrongKey),
    false,
  ],
  ['token', azuriteTls, () => token(), () => token('https://graph.microsoft.com'), true],
] as const)
  cloudStoreContract(`Azure Blob store, ${what}`, async () => {
    const container = await server.createContainer()
    const options = { partBytes: 1024 * 1024, parallel: 3, firstPauseMs: 5 }
    const open = (credential: AzureCredential, through?: number) =>
      openAzureBlobStore({ ...options, containerUrl: server.containerUrl(container, through), credential })
    return {
      ...{ port: server.port, signs },
      open: (through) => open(right(container), through),
      openWithWrongCredentials: () => open(wrong(container)),
    }
  })

test('a shared access signature opens what it permits and signs nothing for others', async () => {
  const containerName = await azurite.createContainer()
  const openWith = (permissions: string) =>
    openAzureBlobStore({
      containerUrl: azurite.containerUrl(containerName),
      credential: sas(containerName, permissions),
      firstPauseMs: 5,
    })
  const writer = openWith('racwdl')
  value(await writer.put(name, Buffer.from('bytes')))
  const reader = openWith('r')
  deepEqual(
    await value(await reader.get(name))
      .body.toArray()
      .then(Buffer.concat),
    Buffer.from('bytes'),
  )
  const other = Buffer.from('other')
  const written = await reader.put({ kind: 'pack', hash: sha256(other) }, other)
  equal(written.ok ? 'stored' : written.problem.code, 'STORAGE_REFUSED')
  const signed = await reader.signedUrl(name, 60_000)
  equal(signed.ok ? 'signed' : signed.problem.code, 'STORAGE_CANNOT_SIGN')
})

test('a container that is not there is named as a refusal of the storage', async () => {
  const containerUrl = azurite.containerUrl('nobody-made-it')
  const store = openAzureBlobStore({ containerUrl, credential: sharedKey(azuriteKey), firstPauseMs: 5 })
  for (const result of [await store.put(name, Buffer.from('bytes')), await store.get(name)])
    ok(!result.ok && result.problem.code === 'STORAGE_REFUSED' && result.problem.detail.includes('ContainerNotFound'))
})

test('addresses are signed with one delegated key, which is asked for once', async () => {
  let asked = 0
  const credential = {
    async getToken() {
      asked++
      return { token: oauthToken(), expiresOnTimestamp: Date.now() + 3_600_000 }
    },
  }
  const containerUrl = azuriteTls.containerUrl(await azuriteTls.createContainer())
  const store = openAzureBlobStore({ containerUrl, credential: { kind: 'token', credential } })
  value(await store.put(name, Buffer.from('bytes')))
  const [first, second] = [await store.signedUrl(name, 300_000), await store.signedUrl(name, 300_000)]
  const signedBy = ({ url }: { url: string }) => new URL(url).searchParams.get('skt')
  ok(signedBy(value(first)) !== null)
  equal(signedBy(value(first)), signedBy(value(second)))
  equal(asked, 1, 'tokens are kept')
})
