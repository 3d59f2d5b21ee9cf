import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, unlink } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, test } from 'node:test'
import { type AdminRouteId, adminRoutes, fail, Problem, ProblemError, type SiteInfo } from '@sluice/protocol'
import { createAdministration } from '../administrators/administration.ts'
import { systemClock } from '../clock.ts'
import { openDatabase } from '../db/database.ts'
import { openSiteIdentity } from '../identity/site-identity.ts'
import { createKeyring } from '../keys/keyring.ts'
import { createLog, silentLog } from '../log.ts'
import { createVault } from '../secrets/vault.ts'
import { type AdminHandlers, type AdminRequest, createAdminApp } from './admin-app.ts'
import { openAdminListener } from './admin-listener.ts'
import { ensureAdminToken } from './admin-token.ts'

const folder = await mkdtemp(join(tmpdir(), 'admin-'))
const opened = await openDatabase({ kind: 'sqlite', path: join(folder, 'site.db') })
assert.ok(opened.ok)
const db = opened.value
const file = join(folder, 'admin-token')
const tokenFile = { db, file, clock: systemClock, log: silentLog }
await ensureAdminToken(tokenFile)
const token = (await readFile(file, 'utf8')).trim()
const keyring = await createKeyring({ folder: join(folder, 'signing'), log: silentLog })
const identity = await openSiteIdentity({ db, folder: join(folder, 'keys'), clock: systemClock, log: silentLog })

const administration = createAdministration({
  ...{
    db,
    clock: systemClock,
    log: silentLog,
    siteId: identity.siteId,
    auditKey: keyring.audit,
    vault: createVault(new Uint8Array(32)),
  },
  ...{ siteName: 'Contoso', origin: () => 'https://localhost', releasesAtOnce: async () => true },
})
const { authenticate, gate } = administration

const site: SiteInfo = {
  siteId: identity.siteId,
  name: 'Contoso',
  version: '0.1.0',
  database: 'sqlite',
  catalogueMode: 'online',
}
const calls: [AdminRouteId, AdminRequest][] = []
const lines: string[] = []

/** Every route fails but those that a test needs; each notes that it was reached. */
const handlers = Object.fromEntries(
  (Object.keys(adminRoutes) as AdminRouteId[]).map((id) => [
    id,
    async (call: AdminRequest) => {
      calls.push([id, call])
      if (id === 'site') return site
      if (id === 'deleteDeployment') return {}
      if (id === 'devices') return [{ id: 'not a device' }]
      if (id === 'createCollection') return { id: 'col_0123456789', name: 'Laptops', members: [] }
      if (id === 'device') fail('NOT_FOUND', 'There is no such device.')
      if (id === 'packages') fail('BUSY', 'An import runs.', { retryAfterMs: 1500 })
      throw new Error('the password is swordfish')
    },
  ]),
) as unknown as AdminHandlers
const app = createAdminApp({
  handlers,
  authenticate,
  gate,
  log: createLog((line) => lines.push(line)),
  checkAnswers: true,
})
const listener = await openAdminListener({
  host: '127.0.0.1',
  port: 0,
  credentials: await identity.adminCredentials(['127.0.0.1']),
  fetch: (incoming, from) => app.fetch(incoming, from),
})
after(async () => {
  await listener.close()
  await db.destroy()
  await rm(folder, { recursive: true })
})

interface Reply {
  status: number
  headers: Record<string, unknown>
  text: string
}

function call(
  method: string,
  path: string,
  body?: string | Buffer | (() => AsyncGenerator<Buffer>),
  bearer: string | undefined = token,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port: listener.port,
        ca: identity.adminAuthority,
        agent: false,
        method,
        path,
        headers: bearer === '' ? {} : { authorization: `Bearer ${bearer}` },
      },
      async (response) => {
        let text = ''
        for await (const chunk of response.setEncoding('utf8')) text += chunk
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
      },
    )
    outgoing.on('error', reject)
    if (typeof body === 'function') Readable.from(body()).pipe(outgoing)
    else outgoing.end(body)
  })
}

const problemIn = (reply: Reply) => {
  assert.equal(reply.headers['content-type'], 'application/problem+json')
  return Problem.parse(JSON.parse(reply.text))
}

test('with the token, over TLS that the authority of the site vouches for', async () => {
  const reply = await call('GET', '/admin/v1/site')
  assert.equal(reply.status, 200)
  assert.deepEqual(JSON.parse(reply.text), site)
  assert.equal(reply.headers['cache-control'], 'no-store')
})

test('without it every request gets the same answer, whatever it asks for (SEC-18)', async () => {
  calls.length = 0
  const asked: [string, string][] = [
    ['GET', '/'],
    ['GET', '/nothing'],
    ['POST', '/admin/v1/site'],
    ['DELETE', '/admin/v1/devices/x/../../site'],
    ...Object.values(adminRoutes).map(({ method, path }) => [method, path] satisfies [string, string]),
  ]
  const seen = new Set<string>()
  for (const [method, path] of asked)
    for (const bearer of ['', 'wrong', `${token}x`]) {
      const { status, headers, text } = await call(method, path, undefined, bearer)
      seen.add(JSON.stringify([status, { ...headers, date: '' }, text]))
    }
  assert.equal(seen.size, 1)
  assert.match([...seen][0] ?? '', /^\[401.*NOT_AUTHENTICATED/)
  assert.equal(calls.length, 0)
})

test('a request may have no body, or one that does not say its length', async () => {
  assert.deepEqual((await call('DELETE', '/admin/v1/deployments/dep_0123456789')).text, '{}')
  const chunked = (sizeBytes: number) =>
    call('POST', '/admin/v1/collections', async function* () {
      yield Buffer.from('{"name":"Laptops"}')
      for (let sent = 0; sent < sizeBytes; sent += 1024) yield Buffer.alloc(1024, 0x20)
    })
  assert.equal((await chunked(1024)).status, 200)
  assert.equal(problemIn(await chunked(64 * 1024)).code, 'BODY_TOO_LARGE')
})

test('a body is bounded, must be JSON, and every fault in it is named by its path', async () => {
  calls.length = 0
  const large = await call('POST', '/admin/v1/collections', Buffer.alloc(64 * 1024 + 1, 0x20))
  assert.deepEqual([large.status, problemIn(large).code], [413, 'BODY_TOO_LARGE'])
  const noJson = await call('POST', '/admin/v1/collections', '{')
  assert.deepEqual([noJson.status, problemIn(noJson).code], [400, 'BAD_REQUEST'])
  const wrong = await call(
    'POST',
    '/admin/v1/deployments',
    JSON.stringify({ sequence: '', collection: 'All', settings: { downloadRetryCount: -1, colour: 'red' } }),
  )
  assert.deepEqual(
    problemIn(wrong).errors?.map((error) => error.path),
    ['sequence', 'settings.downloadRetryCount', 'settings'],
  )
  assert.equal(calls.length, 0)
  const right = await call('POST', '/admin/v1/collections?x=1', JSON.stringify({ name: 'Laptops' }))
  assert.equal(right.status, 200)
  const [id, request] = calls[0] ?? []
  assert.deepEqual([id, request?.body], ['createCollection', { name: 'Laptops' }])

  for (const query of ['limit=0', 'limit=1001', 'state=all', 'seenBefore=yesterday', 'colour=red', 'cursor='])
    assert.equal(problemIn(await call('GET', `/admin/v1/devices?${query}`)).code, 'BAD_REQUEST', query)
  await call('GET', '/admin/v1/devices?limit=20&total=true&name=pc')
  const asked = calls.at(-1)?.[1].query
  assert.deepEqual(asked, { limit: 20, total: true, name: 'pc' })
})

test('expected failures say what they are, with when to try again', async () => {
  const missing = await call('GET', '/admin/v1/devices/dev_0123456789')
  assert.deepEqual([missing.status, problemIn(missing).code], [404, 'NOT_FOUND'])
  const busy = await call('GET', '/admin/v1/packages')
  assert.deepEqual([busy.status, problemIn(busy).retryAfterMs, busy.headers['retry-after']], [503, 1500, '2'])
  const nothing = await call('GET', '/admin/v1/nothing')
  assert.deepEqual([nothing.status, problemIn(nothing).code], [404, 'NOT_FOUND'])
})

test('surprises, wrong answers of our own included, tell an id; the log has the cause', async () => {
  lines.length = 0
  const surprise = await call('GET', '/admin/v1/jobs/job_0123456789')
  assert.equal(surprise.status, 500)
  assert.ok(!surprise.text.includes('swordfish'))
  assert.match(lines[0] ?? '', /swordfish/)
  assert.ok(problemIn(surprise).detail.includes(JSON.parse(lines[0] ?? '').id))
  assert.equal((await call('GET', '/admin/v1/devices')).status, 500)
})

test('a route without a handler keeps the site from starting', () => {
  const { revokeDevice: _, ...incomplete } = handlers
  const options = { handlers: incomplete as AdminHandlers, authenticate, gate, log: silentLog }
  assert.throws(() => createAdminApp(options), /revokeDevice/)
})

test('a port that is taken is said as such', async () => {
  const { port } = listener
  const second = openAdminListener({
    host: '127.0.0.1',
    port,
    credentials: await identity.adminCredentials(['127.0.0.1']),
    fetch: (incoming, from) => app.fetch(incoming, from),
  })
  await assert.rejects(second, (error) => error instanceof ProblemError && error.problem.code === 'PORT_TAKEN')
})

test('the token lies in a file for the owner only, its hash in the database; a removed file brings another one', async () => {
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.equal(Buffer.from(token, 'base64url').length, 32)
  assert.ok(!JSON.stringify(await db.selectFrom('api_tokens').selectAll().execute()).includes(token))
  await ensureAdminToken(tokenFile)
  assert.equal((await readFile(file, 'utf8')).trim(), token)
  await unlink(file)
  await ensureAdminToken(tokenFile)
  const second = (await readFile(file, 'utf8')).trim()
  assert.notEqual(second, token)
  const { actorOf } = administration.apiTokens
  assert.deepEqual([await actorOf(token), (await actorOf(second))?.name], [undefined, 'data folder'])
})
