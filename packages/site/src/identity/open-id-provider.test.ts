/** An OpenID provider that is hostile, or broken. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { discoverProvider } from './open-id-provider.ts'

test('an answer of a provider is bounded, also one that was compressed', async () => {
  let more = 0
  const server = createServer((_, response) => {
    const description = { issuer, token_endpoint: `${issuer}/token`, more: 'x'.repeat(more) }
    response.setHeader('content-type', 'application/json').setHeader('content-encoding', 'gzip')
    response.end(gzipSync(JSON.stringify(description)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    const discover = () => discoverProvider({ issuer, clientId: 'sluice', clientSecret: undefined })
    assert.equal((await discover()).serverMetadata().issuer, issuer)
    more = 2 * 1024 * 1024
    await assert.rejects(discover(), (error) => /longer than 1048576 bytes/.test(inspect(error)))
  } finally {
    server.close()
    server.closeAllConnections()
  }
})
