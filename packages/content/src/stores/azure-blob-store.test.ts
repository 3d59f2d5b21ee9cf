import { deepEqual, equal, ok } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { promisify } from 'node:util'
import {
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { sha256 } from '../hash.ts'
import { azuriteAccount, azuriteKey, startAzurite } from '../testing/azurite.ts'
import { cloudStoreContract } from '../testing/cloud-store-contract.ts'
import { value } from '../testing/value.ts'
import { openAzureBlobStore } from './azure-blob-store.ts'
import type { AzureCredential } from './azure-credential.ts'

const azurite = await startAzurite()
after(() => azurite.close())

const sharedKey = (key: string): AzureCredential => ({ kind: 'sharedKey', account: azuriteAccount, key })
const name = { kind: 'pack', hash: sha256(Buffer.from('bytes')) } as const

cloudStoreContract('Azure Blob store', async () => {
  const container = await azurite.createContainer()
  const options = { partBytes: 1024 * 1024, parallel: 3, firstPauseMs: 5 }
  return {
    port: azurite.port,
    open: (through) =>
      openAzureBlobStore({
        ...options,
        containerUrl: azurite.containerUrl(container, through),
        credential: sharedKey(azuriteKey),
      }),
    openWithWrongCredentials: () =>
      openAzureBlobStore({
        ...options,
        containerUrl: azurite.containerUrl(container),
        credential: sharedKey(Buffer.alloc(64).toString('base64')),
      }),
  }
})

test('a shared access signature opens what it permits and signs nothing for others', async () => {
  const containerName = await azurite.createContainer()
  const openWith = (permissions: string) => {
    const token = generateBlobSASQueryParameters(
      {
        containerName,
        permissions: ContainerSASPermissions.parse(permissions),
        expiresOn: new Date(Date.now() + 3_600_000),
      },
      new StorageSharedKeyCredential(azuriteAccount, azuriteKey),
    ).toString()
    return openAzureBlobStore({
      containerUrl: azurite.containerUrl(containerName),
      credential: { kind: 'sas', token },
      firstPauseMs: 5,
    })
  }
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

test('a token credential reads and writes, and signs with a delegated key that is asked for once', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-azurite-tls-'))
  t.after(() => rm(folder, { recursive: true }))
  const tls = { certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
    ...['-subj', '/CN=azurite', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-out', tls.certificate, '-keyout', tls.key],
  ])
  const trusted = getCACertificates('default')
  setDefaultCACertificates([...trusted, await readFile(tls.certificate, 'utf8')])
  t.after(() => setDefaultCACertificates(trusted))
  const azuriteTls = await startAzurite(tls)
  t.after(() => azuriteTls.close())

  let asked = 0
  const credential = {
    async getToken() {
      asked++
      return { token: oauthToken(), expiresOnTimestamp: Date.now() + 3_600_000 }
    },
  }
  const containerUrl = azuriteTls.containerUrl(await azuriteTls.createContainer())
  const store = openAzureBlobStore({ containerUrl, credential: { kind: 'token', credential } })
  const bytes = Buffer.from('bytes')
  value(await store.put(name, bytes))
  const first = value(await store.signedUrl(name, 300_000))
  const second = value(await store.signedUrl(name, 300_000))
  const signedBy = (url: string) => new URL(url).searchParams.get('skt')
  ok(signedBy(first.url) !== null)
  equal(signedBy(first.url), signedBy(second.url))
  equal(asked, 1, 'tokens are kept')
  const answer = await fetch(first.url, { headers: { range: 'bytes=1-2' } })
  equal(answer.status, 206)
  equal(await answer.text(), 'yt')
  equal((await fetch(first.url.replace(/sig=[^&]/, 'sig=_'))).status, 403)
})

/** As Microsoft Entra ID forms it; the emulator does not check who signed it. */
function oauthToken(): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const nowSeconds = Math.floor(Date.now() / 1000)
  const claims = {
    aud: 'https://storage.azure.com',
    iss: 'https://sts.windows.net/00000000-0000-0000-0000-000000000000/',
    iat: nowSeconds,
    nbf: nowSeconds - 60,
    exp: nowSeconds + 3600,
    oid: '00000000-0000-0000-0000-000000000001',
    tid: '00000000-0000-0000-0000-000000000000',
  }
  return `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.c2lnbmF0dXJl`
}
