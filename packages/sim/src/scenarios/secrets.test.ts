/**
 * Fifty secrets are typed wherever an administrator can type one, a device runs a sequence that needs
 * most of them, and then everything is searched that the parts have written or said: databases with their
 * journals, caches, logs, the words and environments of all processes, and every answer of the admin API.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { after, test } from 'node:test'
import { azuriteAccount, azuriteKey, startAzurite } from '@sluice/content/testing/cloud'
import { type AdminRoute, adminRoutes, COOKIE_HEADER, type PointStorage, signInPaths } from '@sluice/protocol'
import { must } from '../administrator.ts'
import { ask } from '../matrix/testing/ask.ts'
import { until } from '../until.ts'
import { startWorld } from './world.ts'

const PER_STEP = 20
const secretName = (n: number) => `Canary.${String(n).padStart(2, '0')}`
const hash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16)

/** Asks for each fourth of the secrets that it may have, proves it by a hash, waits for the test, then says all of them aloud. */
const step = (name: string, from: number) => `
  - type: runScript
    name: ${name}
    interpreter: sh
    secrets: [${Array.from({ length: PER_STEP }, (_, i) => secretName(from + i)).join(', ')}]
    outputTo: Said
    runAs: { account: root, secret: RunAs }
    parameters: '"%OSRoot%"'
    source: |
      all=
      for n in $(seq ${from} 4 ${from + PER_STEP - 1}); do
        name=Canary.$(printf %02d $n)
        value=$(sluice-ts secret $name) || exit 1
        printf %s "$value" | sha256sum | cut -c1-16 >> "$1/effects"
        all="$all $value"
      done
      again=$(sluice-ts secret $name) || exit 1
      [ "$value" = "$again" ] || exit 2
      sluice-ts secret Unnamed && exit 3
      echo waiting >> "$1/effects"
      while [ ! -e "$1/${name}" ]; do sleep 0.1; done
      echo "The secrets are$all"
      echo "Once more:$all" >&2
      printf %s "$all" | sluice-ts set --stdin Leaked
`

const azurite = await startAzurite()
after(() => azurite.close())

test('fifty secrets are used, and found nowhere', async () => {
  await using resources = new AsyncDisposableStack()
  const world = await startWorld({
    resources,
    steps: step('one', 0) + step('two', PER_STEP),
    packages: 1,
    packageBytes: 1024,
    bytesPerSecond: 1024 * 1024,
  })
  const { admin, ports } = world.line
  const canaries = new Map<string, string>()
  /** As long and as strange as people make them. */
  const canary = (what: string) => {
    const text = `kanari ${hash(what)}/${canaries.size}`
    canaries.set(what, text)
    return text
  }
  const found = (what: string, text: string) => canaries.set(what, text)

  for (let n = 0; n < 2 * PER_STEP; n++) {
    const name = secretName(n)
    must(await admin.call('setSecret', { id: name, body: { value: canary(name) } }))
  }
  must(
    await admin.call('setSecret', { id: 'RunAs', body: { value: canary('the password of a task sequence account') } }),
  )
  must(await admin.call('setSecret', { id: 'Unnamed', body: { value: canary('a secret that no sequence names') } }))
  must(await admin.call('setSecret', { id: 'Replaced', body: { value: canary('a secret before it was replaced') } }))
  must(await admin.call('setSecret', { id: 'Replaced', body: { value: canary('a secret that replaced one') } }))
  must(await admin.call('setSecret', { id: 'Deleted', body: { value: canary('a secret that was deleted') } }))
  must(await admin.call('deleteSecret', { id: 'Deleted' }))

  // What the site proves itself with.
  found('the account key of a cloud distribution point', azuriteKey)
  const storage: PointStorage = {
    ...{ kind: 'azureBlob', containerUrl: azurite.containerUrl(await azurite.createContainer()), prefix: '' },
    credential: { kind: 'sharedKey', account: azuriteAccount, key: azuriteKey },
  }
  const point = must(await admin.call('createDistributionPoint', { body: { name: 'cloud', storage } }))
  must(await admin.call('replacePointCredentials', { id: point.id, body: { storage } }))
  const wrongKey = Buffer.from(canary('an account key that was mistyped')).toString('base64')
  found('a mistyped account key, encoded', wrongKey)
  const mistyped = { ...storage, credential: { ...storage.credential, key: wrongKey } } as PointStorage
  const refused = await admin.call('replacePointCredentials', { id: point.id, body: { storage: mistyped } })
  assert.equal(refused.ok ? 'taken' : refused.problem.code, 'STORAGE_REFUSED')

  // What people prove themselves with.
  const post = (path: string, body: object, headers: Record<string, string> = {}) =>
    ask(ports.admin, { method: 'POST', path, body: JSON.stringify(body), headers, whole: true })
  const invited = must(
    await admin.call('inviteAdministrator', { body: { name: 'anna', roles: ['fullAdministrator' as const] } }),
  )
  found('the code of an invitation', invited.code)
  const password = canary('the password of an administrator')
  const { cookie = '' } = await post(signInPaths.invitation, { code: invited.code, password })
  found('the session of an administrator', cookie.split('=')[1] ?? '')
  const session = {
    ...{ cookie, [COOKIE_HEADER]: 'cookie', 'sec-fetch-site': 'same-origin' },
    origin: `https://127.0.0.1:${ports.admin}`,
  }
  const totp = JSON.parse((await post(adminRoutes.startTotp.path, {}, session)).body) as { secret: string }
  found('what an authenticator app is set up with', totp.secret)
  const newPassword = canary('a changed password')
  assert.equal((await post(adminRoutes.changePassword.path, { password, newPassword }, session)).word, 'in')
  const wrong = canary('a password that was mistyped')
  assert.equal((await post(signInPaths.password, { name: 'anna', password: wrong })).word, 'SIGN_IN_REFUSED')
  const token = must(await admin.call('createApiToken', { body: { name: 'program', roles: ['readOnlyAnalyst'] } }))
  found('a token of the admin API', token.token)
  found('a token for devices', must(await admin.call('createDeviceToken', { body: {} })).bundle.token ?? '')
  assert.ok(canaries.size >= 50 && [...canaries.values()].every((text) => text.length >= 16), `${canaries.size}`)

  await world.install()
  for (const [step, sofar] of [
    ['one', 1],
    ['two', 2],
  ] as const) {
    await until(
      async () => (await world.effects()).filter((line) => line === 'waiting').length === sofar,
      `step ${step} to have its secrets; the agent's log is ${world.device.logPath}`,
    )
    // The step has them in its hands now.
    assert.deepEqual(await inProcesses(canaries), [])
    assert.deepEqual(await inFiles(world.folder, canaries), [])
    await writeFile(join(world.device.osRoot, step), '')
  }
  const report = await world.finished()
  assert.equal(report.result, 'success', JSON.stringify(report))

  const expected = Array.from({ length: PER_STEP / 2 }, (_, n) => hash(canaries.get(secretName(4 * n)) ?? ''))
  assert.deepEqual(
    (await world.effects()).filter((line) => line !== 'waiting'),
    expected,
  )
  const log = await readFile(join(world.device.stateFolder, 'logs/smsts.log'), 'utf8')
  assert.match(log, /The secrets are( \*+)+/)

  // The site takes what its configuration names, and then what it is told.
  await world.line.site.stop()
  const configuration = join(world.folder, 'line/site.json')
  const credentialsFile = join(world.folder, 'proxy-credentials')
  await writeFile(credentialsFile, `sluice:${canary('the password of a proxy')}\n`)
  const linkProxy = { url: 'http://127.0.0.1:1', credentialsFile }
  await writeFile(configuration, JSON.stringify({ ...JSON.parse(await readFile(configuration, 'utf8')), linkProxy }))
  await world.line.site.start()
  must(
    await admin.call('setLinkProxyCredentials', {
      body: { credentials: `sluice:${canary('the next password of a proxy')}` },
    }),
  )
  await until(
    async () => (await readFile(join(world.folder, 'line/site.log'), 'utf8')).includes('proxy 127.0.0.1:1'),
    'the site to dial through its proxy',
  )

  assert.deepEqual(await inFiles(world.folder, canaries), [])
  assert.deepEqual(await inProcesses(canaries), [])
  const answers: string[] = []
  for (const { method, path } of Object.values(adminRoutes) as AdminRoute[])
    if (method === 'GET' && !path.includes(':id'))
      answers.push((await ask(ports.admin, { method, path, headers: session, whole: true })).body)
  assert.ok(answers.some((text) => text.includes('secretRevealed')))
  assert.deepEqual(named(canaries, answers.join('\n')), [])
  const listed = must(await admin.call('secrets')).find(({ name }) => name === secretName(16))
  assert.equal(listed?.reveals, 1, 'asked twice by the step, revealed once')
})

/** The names of the canaries that are in a text, plain or as they are usually written elsewhere. */
function named(canaries: ReadonlyMap<string, string>, text: string): string[] {
  return [...canaries].flatMap(([what, canary]) => {
    const bytes = Buffer.from(canary)
    const forms = [
      canary,
      encodeURIComponent(canary),
      bytes.toString('hex'),
      bytes.toString('base64').replace(/.{0,4}$/, ''),
    ]
    return forms.some((form) => text.includes(form)) ? [what] : []
  })
}

async function inFiles(folder: string, canaries: ReadonlyMap<string, string>): Promise<string[]> {
  const places: string[] = []
  for (const name of await readdir(folder, { recursive: true })) {
    const path = join(folder, name)
    const text = await stat(path).then(
      async (facts) => (facts.isFile() ? await readFile(path, 'latin1') : ''),
      () => '', // gone meanwhile
    )
    places.push(...named(canaries, text).map((what) => `${what} in ${relative(folder, path)}`))
  }
  return places
}

async function inProcesses(canaries: ReadonlyMap<string, string>): Promise<string[]> {
  const places: string[] = []
  for (const pid of await readdir('/proc')) {
    // This process holds them all in its memory, and nothing of it stands in its words either.
    if (!/^\d+$/.test(pid)) continue
    for (const file of ['cmdline', 'environ']) {
      const text = await readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')
      places.push(...named(canaries, text).map((what) => `${what} in ${file} of process ${pid}`))
    }
  }
  return places
}
