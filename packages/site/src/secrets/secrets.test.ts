/** Secrets at the site: written, listed, never read back, revealed only to the step that names them, once. */
import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  type Caller,
  type DeploymentId,
  DeploymentSettings,
  type Envelope,
  ProblemError,
  Revelation,
  RunId,
  SecretAnswer,
  SecretRequest,
  type SecretRequest as SecretRequestType,
  SiteId,
} from '@sluice/protocol'
import { compactDecrypt } from 'jose'
import { createAudit } from '../administrators/audit/audit.ts'
import { openDatabase } from '../db/database.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { createSiteWorld, makeKeyring, report, runOf } from '../deployments/testing/site-world.ts'
import { createAdmission } from '../devices/admission.ts'
import { silentLog } from '../log.ts'
import { codeOf } from '../testing/refusal.ts'
import { createReveal } from './reveal.ts'
import { createSecrets } from './secrets.ts'
import { createVault, openVault } from './vault.ts'

const keyring = await makeKeyring()

const CANARY = 'correct-horse-battery'

onEveryDatabase(
  'a secret is revealed to the attempt that names it, once, and each reveal is in the audit',
  async (db) => {
    const world = await createSiteWorld(db, keyring)
    const { clock, enrol, sequences, collections, deployments, say, relayed } = world
    const vault = createVault(randomBytes(32))
    const secrets = createSecrets({ db, vault, clock })
    const requireDevice = createAdmission({ db, clock })
    const audit = createAudit({
      ...{ db, clock, log: silentLog, key: keyring.audit, siteId: SiteId.parse('site_0123456789') },
    })
    const reveal = createReveal({ db, vault, clock, requireDevice, audit, key: () => keyring.policy })

    const seal = generateKeyPairSync('x25519')
    const { x } = seal.publicKey.export({ format: 'jwk' })
    const sealKey = Buffer.from(x ?? '', 'base64url').toString('base64')
    const caller = await enrol('dev_traveller00')
    const other = await enrol('dev_neighbour00')
    await db.updateTable('devices').set({ seal_key: sealKey }).execute()
    await sequences.apply({
      fileName: 's.json',
      text: JSON.stringify({
        format: 'sluice-sequence/1',
        name: 'Join',
        steps: [{ type: 'runCommandLine', name: 'Join', commandLine: 'true', secrets: ['JoinPassword'] }],
      }),
    })
    const { id: collection } = await collections.create('Travellers')
    await collections.setMembers(collection, [caller.deviceId])
    const { id: deploymentId } = await deployments.create({
      sequence: 'Join',
      collection,
      settings: DeploymentSettings.parse({ allowInternet: true }),
    })
    await secrets.set('JoinPassword', CANARY)
    await secrets.set('Unnamed', CANARY)

    const run = runOf(deploymentId)
    const ask = async (more: Partial<SecretRequestType> = {}, as: Caller = caller, id: DeploymentId = deploymentId) => {
      const body = SecretRequest.parse({
        ...{ deploymentId: id, runId: run.runId, attempt: '0-1', name: 'JoinPassword', nonce: 'n'.repeat(16) },
        ...more,
      })
      const answer = await reveal(relayed(as, 'internet', body))
      return SecretAnswer.parse(answer.body).sealed
    }
    assert.equal(await codeOf(ask()), 'RUN_NOT_REPORTED')
    await say(caller.deviceId, { kind: 'runStarted', ...run, startedBy: 'user' })

    const sealed = await ask()
    const { plaintext } = await compactDecrypt(sealed, seal.privateKey)
    const envelope: Envelope = JSON.parse(new TextDecoder().decode(plaintext))
    assert.equal(envelope.signatures[0]?.keyid, keyring.policy.keyid)
    const said = Revelation.parse(JSON.parse(Buffer.from(envelope.payload, 'base64').toString()))
    assert.deepEqual(
      [said.deviceId, said.name, said.attempt, said.value],
      [caller.deviceId, 'JoinPassword', '0-1', CANARY],
    )

    // The same question, whose answer was lost; another question of the same attempt; the next attempt.
    assert.equal(await codeOf(ask()), 'done')
    assert.equal(await codeOf(ask({ nonce: 'm'.repeat(16) })), 'SECRET_REFUSED')
    clock.advance(11 * 60_000)
    assert.equal(await codeOf(ask()), 'SECRET_REFUSED')
    assert.equal(await codeOf(ask({ attempt: '0-2', nonce: 'm'.repeat(16) })), 'done')

    assert.equal(
      await codeOf(ask({ attempt: '0-3', name: 'Unnamed' })),
      'SECRET_REFUSED',
      'the sequence does not name it',
    )
    assert.equal(await codeOf(ask({ attempt: '0-3' }, other)), 'SECRET_REFUSED', 'the run of another device')
    assert.equal(await codeOf(ask({ attempt: '0-3', runId: RunId.parse('run_0000000000') })), 'RUN_NOT_REPORTED')
    await secrets.delete('JoinPassword')
    assert.equal(await codeOf(ask({ attempt: '0-3' })), 'SECRET_REFUSED')
    await secrets.set('JoinPassword', `${CANARY}-2`)
    await say(caller.deviceId, { kind: 'runFinished', ...run, report })
    assert.equal(await codeOf(ask({ attempt: '0-3' })), 'SECRET_REFUSED', 'the run is over')

    const lines = await audit.lines(0)
    const reveals = lines.map((line) => JSON.parse(line)).filter(({ action }) => action === 'secretRevealed')
    assert.deepEqual(
      reveals.map(({ actor, subject, after }) => [actor.id, subject, after.attempt]),
      ['0-1', '0-1', '0-2'].map((attempt) => [caller.deviceId, 'JoinPassword', attempt]),
    )
    assert.ok(!lines.some((line) => line.includes(CANARY)))
    const [info] = await secrets.list()
    assert.deepEqual([info?.name, info?.reveals], ['JoinPassword', 2])
    assert.ok(!JSON.stringify(await secrets.list()).includes(CANARY))
    for (const table of ['secrets', 'secret_reveals'] as const)
      assert.ok(!JSON.stringify(await db.selectFrom(table).selectAll().execute()).includes(CANARY))
  },
)

onEveryDatabase('a secret has a plain name, and is there or not', async (db) => {
  const secrets = createSecrets({ db, vault: createVault(randomBytes(32)), clock: { now: () => 0 } })
  for (const name of ['', '1st', 'a b', 'x/y', 'n'.repeat(101)])
    assert.equal(await codeOf(secrets.set(name, 'x')), 'BAD_REQUEST')
  assert.equal(await codeOf(secrets.delete('Nothing')), 'NOT_FOUND')
  await secrets.set('One', 'x')
  await secrets.set('One', 'y')
  assert.equal((await secrets.list()).length, 1)
})

test('the key that seals is made once; without it, or with another, no site starts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vault-'))
  const opened = await openDatabase({ kind: 'sqlite', path: join(folder, 'site.db') })
  assert.ok(opened.ok)
  const db = opened.value
  try {
    const file = join(folder, 'keys/vault.key')
    const open = () => openVault({ file, db, log: silentLog })
    const sealed = (await open()).seal('secret/A', CANARY)
    assert.ok(!sealed.includes(CANARY))
    const vault = await open()
    assert.equal(vault.open('secret/A', sealed), CANARY)
    // A row that was put in the place of another one opens nothing.
    assert.throws(() => vault.open('secret/B', sealed), ProblemError)
    assert.throws(() => vault.open('secret/A', `${sealed.slice(0, -4)}AAAA`), ProblemError)
    const key = await readFile(file)
    await writeFile(file, randomBytes(32).toString('base64'))
    assert.equal(await codeOf(open()), 'KEYS_MISSING')
    await rm(file)
    assert.equal(await codeOf(open()), 'KEYS_MISSING')
    await writeFile(file, key)
    assert.equal((await open()).open('secret/A', sealed), CANARY)
  } finally {
    await db.destroy()
    await rm(folder, { recursive: true })
  }
})
