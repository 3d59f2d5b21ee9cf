/** A cloud distribution point on Azure, by each sort of credential: what the site writes with, and what a gateway gets. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, test } from 'node:test'
import type { PointStorage, Result } from '@sluice/protocol'
import { sha256 } from '../pack/hash.ts'
import { oauthToken, startAzuriteTls } from '../testing/azurite-tls.ts'
import { value } from '../testing/value.ts'
import type { CloudStore } from './cloud-store.ts'
import { openPointAccess, openPointStorage, pointAccess } from './point-storage.ts'

const azurite = await startAzuriteTls()
after(() => azurite.close())
const bytes = Buffer.from('bytes')
const name = { kind: 'pack', hash: sha256(bytes) } as const
const codeOf = (result: Result<unknown>) => (result.ok ? 'done' : result.problem.code)
const options = { firstPauseMs: 5 }
const LIFE_MS = 3_600_000

/** A directory that gives tokens to principals that it knows (OAuth 2.0, RFC 6749 §4.4). */
async function startDirectory(principals: Record<string, string>) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
    })
    request.on('end', () => {
      const form = new URLSearchParams(text)
      const id = form.get('client_id') ?? ''
      asked.push(id)
      const known =
        request.url === '/tenant/oauth2/v2.0/token' &&
        form.get('grant_type') === 'client_credentials' &&
        form.get('scope') === 'https://storage.azure.com/.default' &&
        principals[id] === form.get('client_secret')
      response.writeHead(known ? 200 : 401, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify(known ? { access_token: oauthToken(), expires_in: 3600 } : { error: 'invalid_client' }),
      )
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    authority: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await once(server.close(), 'close')
    },
  }
}

async function onlyReads(reader: CloudStore): Promise<void> {
  const other = Buffer.from('other')
  assert.equal(codeOf(await reader.put({ kind: 'pack', hash: sha256(other) }, other)), 'STORAGE_REFUSED')
  await assert.rejects(reader.delete(name))
}

test('a principal writes; a reader gives gateways a key that signs addresses and opens nothing itself', async () => {
  await using directory = await startDirectory({ writer: 'writing', reader: 'reading' })
  const principal = (clientId: string, clientSecret: string) => ({ tenantId: 'tenant', clientId, clientSecret })
  const containerUrl = azurite.containerUrl(await azurite.createContainer())
  const storage = (secret: string, reader?: ReturnType<typeof principal>): PointStorage => ({
    ...{ kind: 'azureBlob', containerUrl, prefix: 'sluice/' },
    credential: {
      ...{ kind: 'token', ...principal('writer', secret), authority: directory.authority },
      ...(reader === undefined ? {} : { reader }),
    },
  })
  const right = storage('writing', principal('reader', 'reading'))
  const store = openPointStorage(right, options)
  value(await store.put(name, bytes))
  assert.ok(await store.has(name))
  assert.equal(codeOf(await openPointStorage(storage('guessed'), options).put(name, bytes)), 'STORAGE_REFUSED')

  const access = await pointAccess(right, LIFE_MS, Date.now())
  assert.equal(access.kind, 'azureDelegation')
  assert.equal(directory.asked.at(-1), 'reader', 'the key is the reader’s')
  assert.doesNotMatch(JSON.stringify(access), /writing|reading/)
  const gateway = openPointAccess(access, options)
  const { url, expiresAtMs } = value(await gateway.signedUrl(name, 300_000))
  assert.ok(expiresAtMs <= Date.now() + 300_000)
  const answer = await fetch(url, { headers: { range: 'bytes=1-2' } })
  assert.deepEqual([answer.status, await answer.text()], [206, 'yt'])
  assert.equal((await fetch(url, { method: 'DELETE' })).status, 403)
  await onlyReads(gateway)

  // Without a reader: a signature of the container by the writer's key that reads, and gateways relay.
  const relayed = openPointAccess(await pointAccess(storage('writing'), LIFE_MS, Date.now()), options)
  assert.equal(codeOf(await relayed.signedUrl(name, 300_000)), 'STORAGE_CANNOT_SIGN')
  assert.deepEqual(Buffer.concat(await value(await relayed.get(name)).body.toArray()), bytes)
  await onlyReads(relayed)

  const wrong = storage('writing', principal('reader', 'guessed'))
  await assert.rejects(pointAccess(wrong, LIFE_MS, Date.now()), /gave no token for client reader: HTTP 401/)
})
