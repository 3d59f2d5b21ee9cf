import assert from 'node:assert/strict'
import { generateKeyPairSync, verify } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { organisationProofText, SiteId } from '@sluice/protocol'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { organisationProof } from './organisation-proof.ts'

const siteId = SiteId.parse('site_0123456789')

test('the key of the certificate signs the request, whatever kind it is', async (t) => {
  const folder = temporaryFolder(t)
  const files = { certificate: join(folder, 'own.pem'), key: join(folder, 'own.key') }
  writeFileSync(files.certificate, 'the certificate')
  for (const { privateKey, publicKey } of [
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    generateKeyPairSync('ed25519'),
  ]) {
    writeFileSync(files.key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    const made = await organisationProof(files, siteId, 'a request')
    assert.ok(made.ok && made.value !== undefined)
    assert.equal(made.value.certificate, 'the certificate')
    const text = Buffer.from(organisationProofText(siteId, 'a request'))
    const algorithm = publicKey.asymmetricKeyType === 'ed25519' ? null : 'sha256'
    assert.ok(verify(algorithm, text, publicKey, Buffer.from(made.value.proof, 'base64')))
  }
})

test('without such a certificate nothing goes along; a file that cannot be used is told without its text', async (t) => {
  assert.deepEqual(await organisationProof(undefined, siteId, 'a request'), { ok: true, value: undefined })
  const folder = temporaryFolder(t)
  const files = { certificate: join(folder, 'own.pem'), key: join(folder, 'own.key') }
  for (const write of [
    () => {},
    () => writeFileSync(files.certificate, 'x'),
    () => writeFileSync(files.key, 'swordfish'),
  ]) {
    write()
    const made = await organisationProof(files, siteId, 'a request')
    assert.ok(!made.ok)
    assert.equal(made.problem.code, 'CONFIGURATION_INVALID')
    assert.doesNotMatch(made.problem.detail, /swordfish/)
  }
})
