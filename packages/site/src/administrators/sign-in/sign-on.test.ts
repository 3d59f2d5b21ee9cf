/** Sign-on at a real OpenID provider, on loopback. */
import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { SiteId, signInPaths } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import Provider from 'oidc-provider'
import { systemClock } from '../../clock.ts'
import { type Database, openDatabase } from '../../db/database.ts'
import { silentLog } from '../../log.ts'
import { createVault } from '../../secrets/vault.ts'
import type { Actor } from '../actor.ts'
import { type Administration, createAdministration } from '../administration.ts'
import { SignOnConfig } from './sign-on.ts'

const ORIGIN = 'https://localhost:8443'
const { privateKey } = generateKeyPairSync('ed25519')
const auditKey = {
  keyid: 'k',
  publicKey: new Uint8Array(32),
  sign: (bytes: Uint8Array) => sign(null, bytes, privateKey),
}
const full: Actor = {
  kind: 'token',
  id: 'api_0123456789' as never,
  name: 'full',
  owner: 'dataFolder',
  roles: ['fullAdministrator'],
}

const server = createServer()
let issuer = ''
let folder: string
let db: Kysely<Database>
let world: Administration

before(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const redirect_uris = [`${ORIGIN}${signInPaths.signOnReturn}`]
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'sluice', token_endpoint_auth_method: 'none', redirect_uris }],
    cookies: { keys: ['of this test'] },
    pkce: { required: () => true },
  })
  server.on('request', provider.callback())

  folder = await mkdtemp(join(tmpdir(), 'site-sign-on-'))
  const opened = await openDatabase({ kind: 'sqlite', path: join(folder, 'site.db') })
  assert.ok(opened.ok)
  db = opened.value
  world = createAdministration({
    ...{
      db,
      clock: systemClock,
      log: silentLog,
      siteId: SiteId.parse('site_0123456789'),
      auditKey,
      vault: createVault(new Uint8Array(32)),
    },
    ...{ siteName: 'Contoso', origin: () => ORIGIN, releasesAtOnce: async () => true },
    signOn: { name: 'Contoso ID', issuer, clientId: 'sluice' },
  })
  const { administrator } = await world.accounts.invite(full, { name: 'anna', roles: ['readOnlyAnalyst'] })
  await world.accounts.change(full, administrator.id, { signOnSubject: 'subject-of-anna' })
})
after(async () => {
  server.close()
  server.closeAllConnections()
  await db.destroy()
  await rm(folder, { recursive: true })
})

/** Just enough of a browser: cookies for each host, and redirects one by one. */
function browser() {
  const jars = new Map<string, Map<string, string>>()
  return async (url: string, form?: Record<string, string>): Promise<Response> => {
    const { origin } = new URL(url)
    const jar = jars.get(origin) ?? new Map<string, string>()
    jars.set(origin, jar)
    const headers = new Headers({ cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') })
    const body = form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }
    const request = new Request(url, { headers, redirect: 'manual', ...body })
    const answer = origin === ORIGIN ? await world.signInPages(request, { address: '192.0.2.1' }) : await fetch(request)
    for (const line of answer.headers.getSetCookie()) {
      const [name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line)?.slice(1) ?? []
      if (value === '' || /expires=Thu, 01 Jan 1970/i.test(line)) jar.delete(name)
      else jar.set(name, value)
    }
    return answer
  }
}
type Visit = ReturnType<typeof browser>

const next = (answer: Response, at: string) => new URL(answer.headers.get('location') ?? 'none:', at).href

/** Goes to the provider, signs in and agrees there. @returns where the provider sends the browser back to */
async function authorise(visit: Visit, subject: string): Promise<string> {
  let url = next(await visit(`${ORIGIN}${signInPaths.signOn}`), ORIGIN)
  const asked = new URL(url)
  assert.equal(asked.searchParams.get('code_challenge_method'), 'S256')
  assert.ok((asked.searchParams.get('state') ?? '').length > 20 && (asked.searchParams.get('nonce') ?? '').length > 20)
  for (let hops = 0; hops < 12 && !url.startsWith(ORIGIN); hops++) {
    const answer = await visit(url)
    const form =
      answer.status === 200 ? /action="([^"]+)"[\s\S]*name="prompt" value="(\w+)"/.exec(await answer.text()) : null
    if (form === null) url = next(answer, url)
    else {
      const fields = form[2] === 'login' ? { prompt: 'login', login: subject, password: 'any' } : { prompt: 'consent' }
      url = next(await visit(new URL(form[1] ?? '', url).href, fields as Record<string, string>), url)
    }
  }
  assert.ok(url.startsWith(`${ORIGIN}${signInPaths.signOnReturn}?`), url)
  return url
}

test('who another administrator named by subject is signed in, with a cookie', async () => {
  const visit = browser()
  const answer = await visit(await authorise(visit, 'subject-of-anna'))
  assert.deepEqual([answer.status, answer.headers.get('location')], [302, signInPaths.page])
  const cookie = answer.headers.getSetCookie().find((line) => line.startsWith('__Host-sluice='))
  assert.match(cookie ?? '', /; Path=\/; Secure; HttpOnly; SameSite=Strict$/)
  const headers = { cookie: cookie?.split(';')[0] ?? '', 'sluice-session': 'cookie' }
  const actor = await world.authenticate(new Request(`${ORIGIN}/admin/v1/me`, { headers }))
  assert.deepEqual([actor?.name, actor?.roles], ['anna', ['readOnlyAnalyst']])
})

test('whom nobody named gets nothing but his subject to pass on', async () => {
  const visit = browser()
  const answer = await visit(await authorise(visit, 'subject-of-eve'))
  assert.equal(answer.status, 401)
  assert.match(await answer.text(), /subject-of-eve/)
  assert.ok(answer.headers.getSetCookie().every((line) => !line.startsWith('__Host-sluice=')))
})

test('what comes back counts once, in the browser that began it, with its own state', async () => {
  const visit = browser()
  const returned = await authorise(visit, 'subject-of-anna')
  assert.equal((await browser()(returned)).status, 401, 'another browser')
  const forged = new URL(returned)
  forged.searchParams.set('state', 'forged')
  assert.equal((await visit(forged.href)).status, 401, 'another state')
  assert.equal((await visit(returned)).status, 401, 'it was taken')

  const again = browser()
  const good = await authorise(again, 'subject-of-anna')
  assert.equal((await again(good)).status, 302)
  assert.equal((await again(good)).status, 401, 'twice')
})

test('a provider is asked over TLS, except on loopback', () => {
  const config = (address: string) => SignOnConfig.safeParse({ name: 'x', clientId: 'x', issuer: address }).success
  assert.deepEqual(
    [
      'https://id.example',
      'http://127.0.0.1:1',
      'http://localhost:1',
      'http://id.example',
      'http://127.0.0.1.evil.example',
    ].map(config),
    [true, true, true, false, false],
  )
})
