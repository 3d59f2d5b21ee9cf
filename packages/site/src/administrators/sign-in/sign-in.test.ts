import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import { type AdministratorId, type AuditEntry, SiteId } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { Secret, TOTP } from 'otpauth'
import type { Database } from '../../db/database.ts'
import { onEveryDatabase } from '../../db/testing.ts'
import { silentLog } from '../../log.ts'
import { createVault } from '../../secrets/vault.ts'
import { createManualClock } from '../../testing/manual-clock.ts'
import { codeOf } from '../../testing/refusal.ts'
import type { Actor } from '../actor.ts'
import { createAdministration } from '../administration.ts'
import type { Person } from './account.ts'
import { createPasswords } from './password.ts'

const { privateKey } = generateKeyPairSync('ed25519')
const auditKey = {
  keyid: 'k',
  publicKey: new Uint8Array(32),
  sign: (bytes: Uint8Array) => sign(null, bytes, privateKey),
}
const vault = createVault(new Uint8Array(32))
const CHEAP = { memory: 64, passes: 1 }
const MINUTE_MS = 60_000
const PASSWORD = 'a ladder leans on the wall'
const HERE = '192.0.2.1'

function setUp(db: Kysely<Database>) {
  const clock = createManualClock()
  const siteId = SiteId.parse('site_0123456789')
  const names = { siteName: 'Contoso', origin: () => 'https://localhost:8443', releasesAtOnce: async () => true }
  return {
    clock,
    ...createAdministration({ db, clock, log: silentLog, siteId, auditKey, vault, passwordCost: CHEAP, ...names }),
  }
}
type World = ReturnType<typeof setUp>

const code = (work: Promise<unknown>) => codeOf(work, 'in')
const codeIn = (url: string | undefined) => new URLSearchParams(new URL(url ?? '').hash.slice(1)).get('code') ?? ''

async function firstAdministrator(world: World): Promise<{ token: string; person: Person }> {
  const first = codeIn((await world.invitations.first())?.url)
  const { token } = await world.signIn.invitation({ code: first, name: 'anna', password: PASSWORD }, 'bearer', HERE)
  return { token, person: await personOf(world, token) }
}
async function personOf(world: World, token: string): Promise<Person> {
  const actor = await actorOf(world, token)
  assert.ok(actor?.kind === 'administrator')
  return actor
}
const actorOf = ({ authenticate }: World, token: string): Promise<Actor | undefined> =>
  authenticate(new Request('https://localhost:8443/', { headers: { authorization: `Bearer ${token}` } }))
const byPassword = ({ signIn }: World, given: { name?: string; password?: string; code?: string }, from = HERE) =>
  signIn.password({ name: 'anna', password: PASSWORD, ...given }, 'bearer', from)

onEveryDatabase('of 50 who race with the link of the first administrator one wins, and there is one', async (db) => {
  const world = setUp(db)
  const first = codeIn((await world.invitations.first())?.url)
  const tried = Array.from({ length: 50 }, (_, i) =>
    code(world.signIn.invitation({ code: first, name: `racer${i}`, password: PASSWORD }, 'bearer', `192.0.2.${i}`)),
  )
  const outcomes = await Promise.all(tried)
  assert.equal(outcomes.filter((one) => one === 'in').length, 1)
  assert.ok(
    outcomes.every((one) => ['in', 'INVITATION_REFUSED', 'BUSY'].includes(one)),
    outcomes.join(' '),
  )
  const all = await world.accounts.list()
  assert.deepEqual(
    all.map(({ state, roles }) => [state, roles]),
    [['active', ['fullAdministrator']]],
  )
  assert.equal(await world.invitations.first(), undefined)
})

onEveryDatabase('a link ends, and a later one replaces it', async (db) => {
  const { clock, invitations, signIn } = setUp(db)
  const accept = (url: string | undefined) =>
    code(signIn.invitation({ code: codeIn(url), name: 'anna', password: PASSWORD }, 'bearer', HERE))
  const [early, late] = [await invitations.first(), await invitations.first()]
  assert.equal(await accept(early?.url), 'INVITATION_REFUSED')
  clock.advance(24 * 60 * MINUTE_MS)
  assert.equal(await accept(late?.url), 'INVITATION_REFUSED')
  assert.equal(await accept((await invitations.first())?.url), 'in')
})

onEveryDatabase('with name and password; a session ends by itself, and with the account', async (db) => {
  const world = setUp(db)
  const { person } = await firstAdministrator(world)
  assert.equal(await code(byPassword(world, { password: 'another ladder' })), 'SIGN_IN_REFUSED')
  assert.equal(await code(byPassword(world, { name: 'berta' })), 'SIGN_IN_REFUSED')
  const { token } = await byPassword(world, { name: ' ANNA' })
  assert.deepEqual((await personOf(world, token)).roles, ['fullAdministrator'])
  const stored = JSON.stringify(await db.selectFrom('admin_sessions').selectAll().execute())
  assert.ok(!stored.includes(token))
  assert.equal((await world.own.show(person)).sessions.length, 2)

  world.clock.advance(119 * MINUTE_MS)
  assert.ok(await actorOf(world, token))
  world.clock.advance(120 * MINUTE_MS)
  assert.equal(await actorOf(world, token), undefined, 'two hours without a request')

  const again = await byPassword(world, {})
  for (let i = 0; i < 7; i++) {
    world.clock.advance(100 * MINUTE_MS)
    assert.ok(await actorOf(world, again.token))
  }
  world.clock.advance(30 * MINUTE_MS)
  assert.equal(await actorOf(world, again.token), undefined, 'twelve hours')

  const { administrator, code: invited } = await world.accounts.invite(person, {
    name: 'berta',
    roles: ['readOnlyAnalyst'],
  })
  const berta = await world.signIn.invitation({ code: invited, password: PASSWORD }, 'bearer', HERE)
  assert.deepEqual((await personOf(world, berta.token)).roles, ['readOnlyAnalyst'])
  await world.accounts.change(person, administrator.id, { disabled: true })
  assert.equal(await actorOf(world, berta.token), undefined)
  assert.equal(await code(byPassword(world, { name: 'berta' })), 'SIGN_IN_REFUSED')
  await world.accounts.change(person, administrator.id, { disabled: false })
  assert.equal(await code(byPassword(world, { name: 'berta' })), 'in')
  const reset = await world.accounts.reset(person, administrator.id)
  assert.equal(await code(byPassword(world, { name: 'berta' })), 'SIGN_IN_REFUSED')
  assert.equal(await code(world.signIn.invitation({ code: reset.code, password: PASSWORD }, 'bearer', HERE)), 'in')

  const told = (await world.audit.lines(0)).map((line) => JSON.parse(line) as AuditEntry)
  assert.ok(told.some((one) => one.action === 'signIn' && one.outcome === 'done' && one.actor.name === 'anna'))
  assert.ok(told.some((one) => one.action === 'signIn' && one.outcome === 'SIGN_IN_REFUSED'))
  assert.ok(!JSON.stringify(told).includes(PASSWORD))
})

onEveryDatabase('nobody administers himself, nor who has more', async (db) => {
  const world = setUp(db)
  const { person } = await firstAdministrator(world)
  assert.equal(await code(world.accounts.change(person, person.id, { disabled: true })), 'FORBIDDEN')
  const { administrator } = await world.accounts.invite(person, { name: 'sam', roles: ['securityAdministrator'] })
  const sam: Person = { ...person, id: administrator.id, roles: ['securityAdministrator'] }
  assert.equal(await code(world.accounts.reset(sam, person.id)), 'FORBIDDEN')
  assert.equal(await code(world.accounts.invite(sam, { name: 'eve', roles: ['fullAdministrator'] })), 'FORBIDDEN')
  const eve = await world.accounts.invite(sam, { name: 'eve', roles: ['readOnlyAnalyst'] })
  const more = { roles: ['osDeploymentManager' as const] }
  assert.equal(await code(world.accounts.change(sam, eve.administrator.id, more)), 'FORBIDDEN')
  assert.equal(await code(world.accounts.invite(person, { name: 'eve', roles: ['readOnlyAnalyst'] })), 'CONFLICT')
  assert.equal(await code(world.accounts.reset(person, 'adm_0000000000' as AdministratorId)), 'NOT_FOUND')
})

onEveryDatabase('guesses are slowed down, also when they come at once; others and a passkey are not', async (db) => {
  const world = setUp(db)
  await firstAdministrator(world)
  const guesses = await Promise.all(
    Array.from({ length: 25 }, (_, i) => code(byPassword(world, { password: `guess number ${i}` }))),
  )
  assert.equal(guesses.filter((one) => one === 'SIGN_IN_REFUSED').length, 5)
  assert.equal(guesses.filter((one) => one === 'SIGN_IN_THROTTLED').length, 20)
  assert.equal(await code(byPassword(world, {})), 'SIGN_IN_THROTTLED')
  assert.equal(await code(byPassword(world, { name: 'berta' }, '192.0.2.2')), 'SIGN_IN_REFUSED')
  world.clock.advance(2_000)
  assert.equal(await code(byPassword(world, {})), 'in')
  assert.equal(await code(byPassword(world, { password: 'wrong' })), 'SIGN_IN_REFUSED', 'counted from nothing again')

  // Many names from one address.
  let throttled = 0
  for (let i = 0; i < 30; i++)
    if ((await code(byPassword(world, { name: `name${i}` }, '192.0.2.9'))) === 'SIGN_IN_THROTTLED') throttled++
  assert.ok(throttled >= 9)
})

onEveryDatabase('an authenticator app: each code once, and recovery codes for the day it is lost', async (db) => {
  const world = setUp(db)
  const { person } = await firstAdministrator(world)
  const { secret, uri } = await world.own.startTotp(person)
  assert.match(uri, /^otpauth:\/\/totp\/Contoso:anna\?issuer=Contoso&secret=/)
  const app = new TOTP({ secret: Secret.fromBase32(secret) })
  const shown = () => app.generate({ timestamp: world.clock.now() })
  assert.equal(await code(byPassword(world, {})), 'in', 'not before it is confirmed')
  assert.equal(await code(world.own.confirmTotp(person, '000000')), 'SIGN_IN_REFUSED')
  const { recoveryCodes } = await world.own.confirmTotp(person, shown())
  assert.equal(recoveryCodes.length, 10)

  assert.equal(await code(byPassword(world, {})), 'SECOND_FACTOR_NEEDED')
  assert.equal(await code(byPassword(world, { password: 'wrong' })), 'SIGN_IN_REFUSED', 'says nothing of an app')
  assert.equal(await code(byPassword(world, { code: shown() })), 'SIGN_IN_REFUSED', 'used when it was confirmed')
  world.clock.advance(30_000)
  const twice = await Promise.all([1, 2].map(() => code(byPassword(world, { code: shown() }))))
  assert.deepEqual(twice.toSorted(), ['SIGN_IN_REFUSED', 'in'])
  world.clock.advance(5 * MINUTE_MS)
  assert.equal(
    await code(byPassword(world, { code: app.generate({ timestamp: world.clock.now() - 60_000 }) })),
    'SIGN_IN_REFUSED',
  )

  const recovery = recoveryCodes[3] ?? ''
  assert.equal(await code(byPassword(world, { code: recovery.toUpperCase().replaceAll('-', ' ') })), 'in')
  assert.equal(await code(byPassword(world, { code: recovery })), 'SIGN_IN_REFUSED')
  assert.equal((await world.own.show(person)).recoveryCodes, 9)
  const kept = JSON.stringify(await db.selectFrom('admin_recovery_codes').selectAll().execute())
  assert.ok(recoveryCodes.every((one) => !kept.includes(one.replaceAll('-', ''))))
})

onEveryDatabase('a new password ends all other sessions', async (db) => {
  const world = setUp(db)
  const { person, token } = await firstAdministrator(world)
  const other = await byPassword(world, {})
  assert.equal(await code(world.own.changePassword(person, 'wrong', 'a boat in the attic')), 'SIGN_IN_REFUSED')
  await world.own.changePassword(person, PASSWORD, 'a boat in the attic')
  assert.ok(await actorOf(world, token))
  assert.equal(await actorOf(world, other.token), undefined)
  assert.equal(await code(byPassword(world, {})), 'SIGN_IN_REFUSED')
  assert.equal(await code(byPassword(world, { password: 'a boat in the attic' })), 'in')
})

onEveryDatabase('a cookie counts for a page of this host only, with the header that others cannot send', async (db) => {
  const world = setUp(db)
  await firstAdministrator(world)
  const { token } = await world.signIn.password({ name: 'anna', password: PASSWORD }, 'cookie', HERE)
  const who = async (headers: Record<string, string>) =>
    (
      await world.authenticate(
        new Request('https://localhost:8443/', { headers: { host: 'localhost:8443', ...headers } }),
      )
    )?.name
  const cookie = `other=1; __Host-sluice=${token}`
  const header = { 'sluice-session': 'cookie' }
  assert.equal(await who({ cookie, ...header }), 'anna')
  assert.equal(
    await who({ cookie, ...header, 'sec-fetch-site': 'same-origin', origin: 'https://localhost:8443' }),
    'anna',
  )
  assert.equal(await who({ cookie }), undefined)
  assert.equal(await who({ cookie, ...header, 'sec-fetch-site': 'same-site' }), undefined)
  assert.equal(await who({ cookie, ...header, 'sec-fetch-site': 'none' }), undefined)
  assert.equal(await who({ cookie, ...header, origin: 'https://evil.example' }), undefined)
  assert.equal(await who({ cookie, ...header, origin: 'null' }), undefined)
  assert.equal(await who({ authorization: `Bearer ${token}` }), undefined, 'the token of a cookie is no bearer token')
  await world.accounts.list()
  world.clock.advance(31 * MINUTE_MS)
  assert.equal(await who({ cookie, ...header }), undefined, 'half an hour without a request')
})

test('passwords keep their parameters, and a flood is refused rather than run', async () => {
  const passwords = createPasswords()
  const stored = await passwords.hash('pässword of some length')
  assert.match(stored, /^\$argon2id\$v=19\$m=65536,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  assert.equal(await passwords.verify(stored, 'pa\u0308ssword of some length'), 'right')
  assert.equal(await passwords.verify(stored, 'password of some length'), 'wrong')
  assert.equal(await passwords.verify(undefined, 'pässword of some length'), 'wrong')
  // Made by the reference implementation: `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1`.
  const weak = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
  assert.equal(await passwords.verify(weak, 'password'), 'right')
  const older = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
  assert.equal(await passwords.verify(older, 'password'), 'outdated')

  const cheap = createPasswords(CHEAP)
  const flood = await Promise.all(Array.from({ length: 60 }, () => code(cheap.verify(undefined, 'x'))))
  assert.deepEqual([flood.filter((one) => one === 'in').length, flood.filter((one) => one === 'BUSY').length], [32, 28])
})
