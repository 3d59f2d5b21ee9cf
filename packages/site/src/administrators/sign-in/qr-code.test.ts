/** What was drawn is read again by a decoder that knows nothing of who drew it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readQr } from '../../testing/read-qr.ts'
import { qrRows } from './qr-code.ts'
import { newTotpSecret, totpUri } from './totp.ts'

test('an app reads the same address from the picture, also with a name of any script', async () => {
  for (const name of ['anna', 'Åsa Öhman', '管理者', 'x'.repeat(255)]) {
    const uri = totpUri(newTotpSecret(), 'Contoso & Söhne', name)
    assert.equal(readQr(qrRows(uri) ?? []), uri)
  }
})

test('a text that is too long has no picture', () => assert.equal(qrRows('x'.repeat(1_001)), undefined))
