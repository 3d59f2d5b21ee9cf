import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ProblemError } from '@sluice/protocol'
import { createLog } from '../log.ts'
import { createKeyring, keyRoles } from './keyring.ts'

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'keyring-'))
  try {
    await body(join(folder, 'keys'))
  } finally {
    await rm(folder, { recursive: true })
  }
}

const open = (folder: string, said: string[] = []) =>
  createKeyring({ folder, log: createLog((line) => said.push(line)) })
const refused = (detail: RegExp) => (error: unknown) =>
  error instanceof ProblemError && error.problem.code === 'KEYS_MISSING' && detail.test(error.problem.detail)

test('the first start makes every key, for the owner only, and says so', () =>
  inFolder(async (folder) => {
    const said: string[] = []
    const keyring = await open(folder, said)
    assert.equal(new Set(keyRoles.map((role) => keyring[role]?.keyid)).size, keyRoles.length)
    assert.match(said.join('\n'), /made signing keys.*root/)
    assert.equal((await stat(folder)).mode & 0o777, 0o700)
    for (const name of await readdir(folder)) assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name)
  }))

test('later starts find the same keys; signatures verify with the public key', () =>
  inFolder(async (folder) => {
    const first = await open(folder)
    const said: string[] = []
    const second = await open(folder, said)
    assert.doesNotMatch(said.join('\n'), /made/)
    const bytes = Buffer.from('signed by the first, verified with the second')
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(second.policy.publicKey).toString('base64url') }
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    assert.ok(verify(null, bytes, key, first.policy.sign(bytes)))
    assert.ok(!verify(null, bytes, key, first.timestamp.sign(bytes)))
  }))

test('a key that was in use is never replaced', () =>
  inFolder(async (folder) => {
    await open(folder)
    const root = await readFile(join(folder, 'root.pem'))
    await rm(join(folder, 'root.pem'))
    await assert.rejects(open(folder), refused(/root\.pem is gone/))
    await writeFile(join(folder, 'root.pem'), await readFile(join(folder, 'policy.pem')))
    await assert.rejects(open(folder), refused(/root\.pem holds another key/))
    await writeFile(join(folder, 'root.pem'), 'nonsense')
    await assert.rejects(open(folder), refused(/root\.pem is not an Ed25519/))
    await writeFile(join(folder, 'root.pem'), root)
    await open(folder)
  }))

test('a first start that broke off is continued with the keys it had made', () =>
  inFolder(async (folder) => {
    const { policy } = await open(folder)
    await rm(join(folder, 'keyring.json'))
    await rm(join(folder, 'contentToken.pem'))
    assert.equal((await open(folder)).policy.keyid, policy.keyid)
  }))

test('a new key waits until it is trusted; a crash in between is finished at the next start', () =>
  inFolder(async (folder) => {
    const keyring = await open(folder)
    const old = keyring.timestamp.keyid
    const next = await keyring.prepare('timestamp')
    assert.equal((await keyring.prepare('timestamp')).keyid, next.keyid, 'a second try makes no second key')
    assert.equal((await open(folder)).next('timestamp')?.keyid, next.keyid)
    await keyring.adopt({ timestamp: [old] }, 'online')
    assert.equal(keyring.timestamp.keyid, old)
    // As a crash leaves it: listed, but not yet in its place.
    const waiting = await readFile(join(folder, 'timestamp.next.pem'))
    await keyring.adopt({ timestamp: [next.keyid] }, 'online')
    assert.equal(keyring.timestamp.keyid, next.keyid)
    await writeFile(join(folder, 'timestamp.next.pem'), waiting)
    const again = await open(folder)
    assert.deepEqual([again.timestamp.keyid, again.next('timestamp')], [next.keyid, undefined])
  }))

test('a key that the root gave to somebody else is deleted, for good, and in offline mode only', () =>
  inFolder(async (folder) => {
    const keyring = await open(folder)
    await keyring.adopt({ root: ['another'] }, 'online')
    assert.ok(keyring.root)
    await keyring.adopt({ root: ['another'], release: ['another'] }, 'offline')
    const again = await open(folder)
    for (const one of [keyring, again]) assert.deepEqual([one.root, one.release], [undefined, undefined])
    assert.ok(!(await readdir(folder)).some((name) => /^(root|release)\./.test(name)))
  }))
