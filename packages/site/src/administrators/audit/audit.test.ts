import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import { describe, test } from 'node:test'
import { AUDIT_START, AuditEntry, AuditHead, preAuthEncoding, SiteId } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { systemClock } from '../../clock.ts'
import { createCollections } from '../../collections/collections.ts'
import { type Database, openDatabase } from '../../db/database.ts'
import { onEveryDatabase } from '../../db/testing.ts'
import { silentLog } from '../../log.ts'
import { createAudit } from './audit.ts'
import { type Act, asChange, type Change, changeConcerns } from './change.ts'
import { redacted } from './redact.ts'

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const siteId = SiteId.parse('site_0123456789')
const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
const key = { keyid: 'k', publicKey: new Uint8Array(raw), sign: (bytes: Uint8Array) => sign(null, bytes, privateKey) }
const auditOf = (db: Kysely<Database>) => createAudit({ db, clock: systemClock, key, siteId, log: silentLog })
const actor = { kind: 'administrator', id: 'adm_0123456789', name: 'anna' } as const
const act = (action: string): Act => ({ at: new Date().toISOString(), actor, action, outcome: 'done' })
const change = (action: string): Change => ({ state: 'open', act: act(action) })

/** What an auditor does: each line names the hash of the one before. */
function chained(lines: string[]): AuditEntry[] {
  let previous = AUDIT_START
  return lines.map((line, i) => {
    const entry = AuditEntry.parse(JSON.parse(line))
    assert.deepEqual([entry.seq, entry.previous], [i + 1, previous])
    previous = createHash('sha256').update(line).digest('hex')
    return entry
  })
}

onEveryDatabase('a change and its entry are durable together, or neither is', async (db) => {
  const audit = auditOf(db)
  const add = (name: string) => db.insertInto('counters').values({ name, value: 1 }).execute()

  const alone = change('alone')
  await asChange(alone, () => add('a'))
  assert.equal(alone.state, 'written')

  const together = change('together')
  await asChange(together, () =>
    db.transaction().execute(async (trx) => {
      changeConcerns('thing')
      await trx.insertInto('counters').values({ name: 'b', value: 1 }).execute()
      await trx.insertInto('counters').values({ name: 'c', value: 1 }).execute()
    }),
  )

  const broken = change('broken')
  await assert.rejects(
    asChange(broken, () =>
      db.transaction().execute(async (trx) => {
        await trx.insertInto('counters').values({ name: 'd', value: 1 }).execute()
        throw new Error('no')
      }),
    ),
  )
  assert.equal(broken.state, 'open')
  await assert.rejects(asChange(change('twice'), () => add('a'))) // the name is taken

  const nothing = change('nothing')
  await asChange(nothing, async () => {
    await db.selectFrom('counters').selectAll().execute()
    await db.updateTable('counters').set({ value: 2 }).where('name', '=', 'none').execute()
    await db.deleteFrom('counters').where('name', '=', 'none').returning('value').execute()
  })
  assert.equal(nothing.state, 'open')
  await add('of nobody')

  const entries = chained(await audit.lines(0))
  assert.deepEqual(
    entries.map(({ action, subject }) => [action, subject]),
    [
      ['alone', undefined],
      ['together', 'thing'],
    ],
  )
  const names = await db.selectFrom('counters').select('name').orderBy('name').execute()
  assert.deepEqual(
    names.map((row) => row.name),
    ['a', 'b', 'c', 'of nobody'],
  )
})

onEveryDatabase('however many write, in two processes of the site, there is one chain', async (db, location) => {
  const second = await openDatabase(location)
  assert.ok(second.ok)
  try {
    const writers = [db, second.value].map((one) =>
      createCollections({ db: one, clock: systemClock, onMembersChanged: () => {} }),
    )
    await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        asChange(change(`create ${i}`), async () => writers[i % 2]?.create(`collection ${i}`)),
      ),
    )
    const audit = auditOf(db)
    const entries = chained(await audit.lines(0))
    assert.equal(new Set(entries.map((entry) => entry.subject)).size, 60)
    assert.deepEqual(
      chained(await audit.lines(0)).slice(50),
      (await audit.lines(50)).map((line) => JSON.parse(line)),
    )

    const { payload, payloadType, signatures } = await audit.head()
    const bytes = Buffer.from(payload, 'base64')
    assert.ok(
      verify(null, preAuthEncoding(payloadType, bytes), publicKey, Buffer.from(signatures[0]?.sig ?? '', 'base64')),
    )
    const head = AuditHead.parse(JSON.parse(bytes.toString()))
    const [last] = await audit.lines(59)
    assert.deepEqual(
      [head.seq, head.hash],
      [
        60,
        createHash('sha256')
          .update(last ?? '')
          .digest('hex'),
      ],
    )
  } finally {
    await second.value.destroy()
  }
})

describe('what stands in the audit', () => {
  test('no secret, wherever it is in a body; of long texts their length and hash', () => {
    const text = 'x'.repeat(2_000)
    const body = { name: 'anna', password: 'swordfish', more: [{ token: 'swordfish', text }] }
    const kept = redacted(body)
    assert.ok(!JSON.stringify(kept).includes('swordfish'))
    assert.deepEqual(kept, {
      name: 'anna',
      password: '(hidden)',
      more: [{ token: '(hidden)', text: { length: 2_000, sha256: createHash('sha256').update(text).digest('hex') } }],
    })
    const many = JSON.stringify(redacted({ members: Array.from({ length: 100_000 }, (_, i) => `dev_${i}`) }))
    assert.ok(many.length < 200, many)
  })
})
