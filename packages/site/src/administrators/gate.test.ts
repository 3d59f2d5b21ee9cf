import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import {
  type AdministratorId,
  type AdminRouteId,
  type CollectionId,
  DeploymentSettings,
  type DeviceId,
  RoleName,
  SiteId,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { createCollections } from '../collections/collections.ts'
import type { Database } from '../db/database.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { silentLog } from '../log.ts'
import { createVault } from '../secrets/vault.ts'
import { createManualClock } from '../testing/manual-clock.ts'
import { codeOf } from '../testing/refusal.ts'
import { type Actor, personOf } from './actor.ts'
import { createAdministration } from './administration.ts'

const { privateKey } = generateKeyPairSync('ed25519')
const auditKey = {
  keyid: 'k',
  publicKey: new Uint8Array(32),
  sign: (bytes: Uint8Array) => sign(null, bytes, privateKey),
}
const DAY_MS = 24 * 3600_000

function setUp(db: Kysely<Database>, mode = 'online') {
  const clock = createManualClock()
  const siteId = SiteId.parse('site_0123456789')
  return {
    clock,
    ...createAdministration({
      db,
      clock,
      log: silentLog,
      siteId,
      auditKey,
      vault: createVault(new Uint8Array(32)),
      siteName: 'Contoso',
      origin: () => 'https://localhost',
      releasesAtOnce: async () => mode === 'online',
    }),
  }
}
const full: Actor = {
  kind: 'token',
  id: 'api_0123456789' as never,
  name: 'full',
  owner: 'dataFolder',
  roles: ['fullAdministrator'],
}
const bearer = (token: string) => new Request('https://site/', { headers: { authorization: `Bearer ${token}` } })
const code = (work: Promise<unknown>) => codeOf(work, 'in')

onEveryDatabase('a token is shown once, counts until it ends or is revoked, and says when it was used', async (db) => {
  const { clock, apiTokens, authenticate } = setUp(db)
  const made = await apiTokens.create(full, { name: 'build', roles: ['readOnlyAnalyst'], lifeMs: DAY_MS })
  const actor = await authenticate(bearer(made.token))
  assert.deepEqual([actor?.name, actor?.roles], ['build', ['readOnlyAnalyst']])
  const [listed] = await apiTokens.list()
  assert.ok(listed?.lastUsedAt !== undefined)
  assert.ok(!JSON.stringify(await db.selectFrom('api_tokens').selectAll().execute()).includes(made.token))
  assert.equal(await authenticate(bearer(`${made.token}x`)), undefined)
  clock.advance(DAY_MS)
  assert.equal(await authenticate(bearer(made.token)), undefined)

  const other = await apiTokens.create(full, { name: 'other', roles: ['fullAdministrator'], lifeMs: DAY_MS })
  assert.ok((await apiTokens.revoke(full, other.info.id)).revokedAt !== undefined)
  assert.equal(await authenticate(bearer(other.token)), undefined)
})

onEveryDatabase('nobody gives what he does not have, nor takes it from others', async (db) => {
  const { apiTokens } = setUp(db)
  const security: Actor = { ...full, roles: ['securityAdministrator'] }
  const life = { lifeMs: DAY_MS }
  const asSecurity = (role: RoleName) => apiTokens.create(security, { name: 'x', roles: [role], ...life })
  assert.equal(await code(asSecurity('readOnlyAnalyst')), 'in')
  for (const role of RoleName.options.filter((one) => one !== 'readOnlyAnalyst' && one !== 'securityAdministrator'))
    assert.equal(await code(asSecurity(role)), 'FORBIDDEN', role)
  const { info } = await apiTokens.create(full, { name: 'x', roles: ['fullAdministrator'], ...life })
  assert.equal(await code(apiTokens.revoke(security, info.id)), 'FORBIDDEN')

  const scoped: Actor = { ...full, collections: ['col_0123456789' as CollectionId] }
  assert.equal(await code(apiTokens.create(scoped, { name: 'x', roles: ['readOnlyAnalyst'], ...life })), 'FORBIDDEN')
})

onEveryDatabase('all tokens of one person, and tokens that these make, are that person', async (db) => {
  const { apiTokens, authenticate } = setUp(db)
  const anna = {
    ...{ kind: 'administrator', id: 'adm_0123456789' as AdministratorId, name: 'anna', sessionId: 's', signedInAt: 0 },
    ...{ roles: ['fullAdministrator'] },
  } satisfies Actor
  const tokenOf = async (maker: Actor, name: string): Promise<Actor> => {
    const { token } = await apiTokens.create(maker, { name, roles: ['fullAdministrator'], lifeMs: DAY_MS })
    return (await authenticate(bearer(token))) ?? assert.fail('the token is good')
  }
  const first = await tokenOf(anna, 'build')
  const persons = [anna, first, await tokenOf(anna, 'deploy'), await tokenOf(first, 'child')]
  assert.deepEqual(new Set(persons.map((actor) => personOf(actor).split(' ', 1)[0])), new Set(['adm_0123456789']))
  assert.equal(personOf(await tokenOf(full, 'night')), 'dataFolder night')
})

onEveryDatabase('whose scope is a collection sees and touches nothing beside it', async (db) => {
  const { clock, gate, audit } = setUp(db)
  const collections = createCollections({ db, clock, onMembersChanged: () => {} })
  const device = async (name: string): Promise<DeviceId> => {
    const id = `dev_${name.padEnd(10, '0')}` as DeviceId
    const columns = { state: 'approved', seal_key: '', facts: '{}', agent: '{}', enrolled_at: 1 } as const
    await db
      .insertInto('devices')
      .values({ id, fingerprint: name as never, ...columns })
      .execute()
    return id
  }
  const [mine, other] = [await device('mine'), await device('other')]
  const own = await collections.create('Own')
  const foreign = await collections.create('Foreign')
  await collections.setMembers(own.id, [mine])
  await collections.setMembers(foreign.id, [other])
  const settings = JSON.stringify(DeploymentSettings.parse({}))
  await db
    .insertInto('sequences')
    .values({ id: 'seq_0000000000' as never, name: 'S', revision: 1 })
    .execute()
  for (const collection of [own, foreign])
    await db
      .insertInto('deployments')
      .values({
        ...{ id: `dep_${collection.name.toLowerCase().padEnd(10, '0')}` as never, revision: 1, settings },
        ...{ sequence_id: 'seq_0000000000' as never, collection_id: collection.id, created_at: 1, changed_at: 1 },
      })
      .execute()
  const scoped: Actor = { ...full, collections: [own.id] }

  const pass = <T>(route: AdminRouteId, id: string, body: unknown, answer: T) => {
    const call = { route, actor: scoped, address: '127.0.0.1', id, body }
    return gate.admit(call).then(() => gate.pass(call, async () => answer, undefined))
  }
  const tries: [AdminRouteId, string, unknown, string][] = [
    ['device', mine, undefined, 'in'],
    ['device', other, undefined, 'NOT_FOUND'],
    ['revokeDevice', mine, {}, 'in'],
    ['revokeDevice', other, {}, 'NOT_FOUND'],
    ['revokeDevice', "' or 1=1 --", {}, 'NOT_FOUND'],
    ['deployment', 'dep_own0000000', undefined, 'in'],
    ['deployment', 'dep_foreign000', undefined, 'NOT_FOUND'],
    ['changeDeployment', 'dep_foreign000', {}, 'NOT_FOUND'],
    ['deleteDeployment', 'dep_foreign000', undefined, 'NOT_FOUND'],
    ['cancelRun', 'dep_foreign000', { deviceId: mine }, 'NOT_FOUND'],
    ['createDeployment', '', { collection: own.name }, 'in'],
    ['createDeployment', '', { collection: foreign.id }, 'NOT_FOUND'],
    ['createDeployment', '', { collection: foreign.name }, 'NOT_FOUND'],
    ['setCollectionMembers', own.id, { members: [mine] }, 'in'],
    ['setCollectionMembers', own.id, { members: [mine, other] }, 'NOT_FOUND'],
    ['setCollectionMembers', foreign.id, { members: [] }, 'NOT_FOUND'],
    ['createCollection', '', { name: 'New' }, 'FORBIDDEN'],
    ['setClientSettings', '', {}, 'FORBIDDEN'],
    ['createDeviceToken', '', {}, 'FORBIDDEN'],
    ['audit', '', undefined, 'FORBIDDEN'],
  ]
  for (const [route, id, body, expected] of tries)
    assert.equal(await code(pass(route, id, body, {})), expected, `${route} ${id} ${JSON.stringify(body)}`)

  assert.deepEqual(await pass('collections', '', undefined, [own, foreign]), [own])
  const all = [own, foreign].map(({ id }) => ({ collectionId: id }))
  assert.deepEqual(await pass('deployments', '', undefined, all), [{ collectionId: own.id }])

  const outcomes = (await audit.lines(0)).map((line) => JSON.parse(line) as { outcome: string; action: string })
  assert.equal(outcomes.filter((one) => one.outcome === 'done').length, 3, 'changes that the scope allowed')
  assert.ok(outcomes.some((one) => one.action === 'revokeDevice' && one.outcome === 'NOT_FOUND'))
  assert.ok(outcomes.some((one) => one.action === 'createDeviceToken' && one.outcome === 'FORBIDDEN'))
})

onEveryDatabase('what would keep a stolen session alive needs a fresh sign-in; a token has no account', async (db) => {
  const { clock, gate } = setUp(db)
  const person = {
    ...{ kind: 'administrator', id: 'adm_0123456789' as AdministratorId, name: 'anna', sessionId: 's' },
    ...{ roles: ['fullAdministrator'], signedInAt: clock.now() },
  } satisfies Actor
  const admit = (route: AdminRouteId, actor: Actor) => code(gate.admit({ route, actor, address: '', id: '' }))
  for (const route of ['inviteAdministrator', 'createApiToken', 'addPasskey', 'devices'] as const)
    assert.equal(await admit(route, person), 'in', route)
  clock.advance(10 * 60_000 + 1)
  const steps = ['rotateKey', 'publishCatalogue', 'approveDeployment', 'setApprovalRule', 'createDeviceToken'] as const
  for (const route of ['inviteAdministrator', 'createApiToken', 'addPasskey', 'startTotp', ...steps] as const)
    assert.equal(await admit(route, person), 'SIGN_IN_AGAIN', route)
  for (const route of ['devices', 'createDeployment', 'account', 'endSession'] as const)
    assert.equal(await admit(route, person), 'in', route)
  const offline = setUp(db, 'offline').gate
  for (const route of ['importPackage', 'updatePackage', 'applySequence'] as const) {
    assert.equal(await admit(route, person), 'SIGN_IN_AGAIN', `${route}: it would be released at once`)
    assert.equal(await code(offline.admit({ route, actor: person, address: '', id: '' })), 'in', 'released elsewhere')
    assert.equal(await admit(route, full), 'in', 'by a program')
  }
  assert.equal(await admit('inviteAdministrator', full), 'in')
  assert.equal(await admit('account', full), 'FORBIDDEN')
})
