/** What lets computers in besides tokens, at a real site; and what a sign-in that is old may not do any more. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { promisify } from 'node:util'

import { testSite } from './testing/site.ts'

const PASSWORD = 'a ladder leans on the wall'
const { folder, ready, as, text } = await testSite('who-gets-in')

test("the organisation's own PKI: authorities come and go, and settings that are not named stay", async () => {
  assert.match(await text('identity'), /Registration: +off\nCheck revocation lists: +on\nNames: +\*\n/)
  const pem = join(folder, 'root.pem')
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', '/CN=Contoso Root', '-keyout', join(folder, 'root.key'), '-out', pem],
    ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  ])
  const added = await text('identity', 'authorities', 'add', pem)
  const [, id = ''] = /\n([0-9a-f]+) +root +\S+ +.*CN=Contoso Root/.exec(added) ?? []
  assert.ok(id !== '', added)
  assert.ok((await text('identity', 'authorities')).includes(id))
  assert.equal((await as(['identity', 'authorities', 'add', join(folder, 'root.key')])).code, 1)
  const settings = await text('identity', 'settings', '--registration', 'pending', '--names', '*.contoso.example')
  assert.match(settings, /Registration: +pending\nCheck revocation lists: +on\nNames: +\*\.contoso\.example\n/)
  assert.match(await text('identity', 'settings', '--check-crl', 'off'), /Registration: +pending\nCheck .*: +off\n/)
  await text('identity', 'authorities', 'remove', id)
  assert.equal(await text('identity', 'authorities'), '(none)\n')
})

test('a sign-in of their user: who may has to be said, and the secret is kept and not shown', async () => {
  const secret = join(folder, 'secret.txt')
  await writeFile(secret, 'kanari of a client\n')
  const words = ['identity', 'sign-in', '--issuer', 'https://id.contoso.example', '--client', 'sluice-devices']
  assert.equal((await as([...words, '--registration', 'automatic'])).code, 1, 'nobody said who may')
  const set = await text(...words, '--secret-file', secret, '--domains', 'contoso.example', '--registration', 'pending')
  assert.match(set, /Registration: +pending\n[\s\S]*Client secret: +kept\nDomains: +contoso\.example\n/)
  assert.ok(![set, await text('identity', 'sign-in', '--json')].some((said) => said.includes('kanari')))
  assert.match(await text('identity', 'sign-in', '--client', 'another'), /Client secret: +none\n/)
})

test('what computers that come again are is a rule; there is no conflict to resolve', async () => {
  assert.equal(await text('devices', 'conflicts'), '(none)\n')
  assert.equal(await text('devices', '--state', 'pending'), '(none)\n')
  assert.match((await as(['devices', 'list', '--state', 'lost'])).stderr, /Allowed choices are pending/)
  assert.match(await text('devices', 'conflicts', '--rule', 'merge'), /Rule: +merge\n/)
  assert.equal((await as(['devices', 'conflicts', '--rule', 'guess'])).code, 1)
  assert.match((await as(['devices', 'resolve', 'dev_0000000000', 'new'])).stderr, /NOT_FOUND\)\n.*no open conflict/)
})

test('a sign-in of eleven minutes ago reads everything, lets nobody in, and a token of a program goes on', async () => {
  const code = new URL((ready.firstAdministrator as { url: string }).url).hash.replace('#code=', '')
  const signedIn = await as(['login', 'anna', '--invited'], { answers: [code, PASSWORD, PASSWORD] })
  assert.equal(signedIn.code, 0, signedIn.stderr)
  await text('gateways', 'add', 'edge', '--url', 'https://127.0.0.1:1')
  assert.match(await text('devices', 'token', '--uses', '2'), /token/)
  const database = new DatabaseSync(join(folder, 'site/site.db'))
  database.exec(`UPDATE admin_sessions SET created_at = created_at - ${11 * 60_000}`)
  database.close()
  assert.match(await text('whoami'), /^anna /)
  for (const words of [
    ['devices', 'token'],
    ['identity', 'settings', '--registration', 'automatic'],
    ['devices', 'conflicts', '--rule', 'new'],
    ['admins', 'tokens', 'create', 'x', '--role', 'readOnlyAnalyst'],
  ])
    assert.match((await as(words)).stderr, /SIGN_IN_AGAIN/, words.join(' '))
  const token = join(folder, 'site/admin-token')
  const byProgram = await as(['devices', 'token', '--token-file', token])
  assert.equal(byProgram.code, 0, byProgram.stderr)
  assert.equal((await as(['login', 'anna'], { answers: [PASSWORD] })).code, 0)
  assert.match(await text('devices', 'conflicts', '--rule', 'new'), /Rule: +new\n/)
})
