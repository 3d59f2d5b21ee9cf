/**
 * Device A asks for everything of device B, at every route of the device plane, and for every object of a package
 * that is not for it: 403 each. Two real devices at a real gateway and site, content in the gateway's folder and at a cloud
 * distribution point. A new route without its question here fails.
 */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { azuriteAccount, azuriteKey, startAzurite } from '@sluice/content/testing/cloud'
import {
  type AdminRoute,
  adminRoutes,
  type CloudPointId,
  type ContentId,
  ContentTokenAnswer,
  ContentUrlsAnswer,
  type DeploymentId,
  type DeviceRouteId,
  devicePath,
  deviceRoutes,
  type ObjectKind,
  type PackageId,
  PolicyAnswer,
  type ProblemCode,
  problems,
} from '@sluice/protocol'
import { deployTo, distribute, importPackage, must } from './administrator.ts'
import { seededBytes } from './demo/seeded-bytes.ts'
import { type Line, startLine } from './line.ts'
import { ask } from './matrix/testing/ask.ts'
import { type Enrolled, enrol, wellFormed } from './matrix/testing/callers.ts'
import { linePorts } from './ports.ts'

interface Owner extends Enrolled {
  packageId: PackageId
  contentId: ContentId
  deploymentId: DeploymentId
  runId: string
  /** Objects of its package, as they lie in the gateway's folder. */
  objects: { kind: ObjectKind; hash: string }[]
  token: string
}

const PACKAGE_BYTES = 3 * 1024 * 1024
/** Objects that one question for addresses may name. */
const BATCH = 256

describe('what is of another device', () => {
  const resources = new AsyncDisposableStack()
  let folder: string
  let line: Line
  let point: CloudPointId
  let a: Owner
  let b: Owner
  let bodies: Awaited<ReturnType<typeof wellFormed>>

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-other-device-'))
    resources.defer(() => rm(folder, { recursive: true, force: true }))
    const azurite = await startAzurite()
    resources.defer(() => azurite.close())
    line = await startLine({ folder: join(folder, 'line'), ports: await linePorts(0), resources })
    bodies = await wellFormed()
    const storage = {
      ...{ kind: 'azureBlob' as const, containerUrl: azurite.containerUrl(await azurite.createContainer()) },
      ...{ prefix: '', credential: { kind: 'sharedKey' as const, account: azuriteAccount, key: azuriteKey } },
    }
    point = must(await line.admin.call('createDistributionPoint', { body: { name: 'cloud', storage } }))
      .id as CloudPointId
    a = await makeOwner('A')
    b = await makeOwner('B')
  })
  after(() => resources.disposeAsync())

  /** A device with a package, a secret, a deployment and a run of its own. */
  async function makeOwner(name: 'A' | 'B'): Promise<Owner> {
    const packageId = `${name.repeat(3)}00001` as PackageId
    await mkdir(join(folder, name))
    await writeFile(join(folder, name, 'content.bin'), seededBytes(name, PACKAGE_BYTES))
    const source = { id: packageId, name, kind: 'package', target: 'linux', folder: name } as const
    const { contentId } = await importPackage(line.admin, source, folder)
    assert.ok(contentId !== undefined)
    const there = new Set((await stored()).map(({ hash }) => hash))
    for (const to of [line.gatewayId, point]) await distribute(line.admin, to, [packageId])
    const objects = (await stored()).filter(({ hash }) => !there.has(hash))
    must(await line.admin.call('setSecret', { id: `Secret${name}`, body: { value: `canary of ${name}` } }))
    const step = `{ type: runCommandLine, name: Use, package: ${packageId}, commandLine: 'true', secrets: [Secret${name}] }`
    const text = `format: sluice-sequence/1\nname: For ${name}\nsteps:\n  - ${step}\n`
    must(await line.admin.call('applySequence', { body: { fileName: `${name}.yaml`, text } }))
    const enrolled = await enrol(line, true)
    const { id: deploymentId } = await deployTo(line.admin, [enrolled.deviceId], `For ${name}`, {})
    const runId = `run_of${name.toLowerCase()}00000000`
    await say(enrolled, { kind: 'runStarted', runId, deploymentId, startedBy: 'user' })
    const granted = ContentTokenAnswer.parse(
      JSON.parse((await asked('contentToken', enrolled, { contents: [contentId] })).body),
    )
    assert.deepEqual(granted.refused, [])
    return { ...enrolled, packageId, contentId, deploymentId, runId, objects, token: granted.token }
  }

  /** What lies in the gateway's folder. */
  async function stored(): Promise<Owner['objects']> {
    const entries = await readdir(join(folder, 'line/gateway'), { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile() && /^[0-9a-f]{64}$/.test(entry.name))
      .map(({ name, parentPath }) => ({
        kind: parentPath.includes('/pages/') ? ('page' as const) : ('pack' as const),
        hash: name,
      }))
  }

  const asked = (
    id: DeviceRouteId,
    { credentials }: Pick<Enrolled, 'credentials'>,
    body?: unknown,
    path = devicePath(id),
  ) =>
    ask(line.ports.device, {
      ...{ method: deviceRoutes[id].method, path, credentials, whole: true },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  /** Refused with this problem, and with HTTP 403. */
  const assertForbidden = (said: string | string[], code: ProblemCode) => {
    assert.deepEqual([said].flat(), [code])
    assert.equal(problems[code].status, 403)
  }
  const word = async (...question: Parameters<typeof asked>) => (await asked(...question)).word
  let messages = 0
  const say = (who: Enrolled, event: object) =>
    asked('status', who, { messages: [{ bootId: 'boot', seq: ++messages, at: new Date().toISOString(), event }] })
  const stateOfB = async () =>
    must(await line.admin.call('deployment', { id: b.deploymentId })).devices.map(({ deviceId, state }) => [
      deviceId,
      state,
    ])

  const objectPath = ({ kind, hash }: Owner['objects'][number], query = '') =>
    `${devicePath('object', { kind, hash })}${query}`

  /** What became of each object that `who` asks addresses for, with a token. */
  async function addresses(
    who: Owner,
    token: string,
    contentId: ContentId,
    objects: Owner['objects'],
    from?: CloudPointId,
  ) {
    const found: ContentUrlsAnswer['objects'] = []
    for (let at = 0; at < objects.length; at += BATCH) {
      const wanted = objects.slice(at, at + BATCH).map((one) => ({ contentId, ...one }))
      const body = { token, objects: wanted, ...(from === undefined ? {} : { point: from }) }
      const answer = await asked('contentUrls', who, body)
      if (answer.word !== 'in') return answer.word
      found.push(...ContentUrlsAnswer.parse(JSON.parse(answer.body)).objects)
    }
    return found
  }
  const codes = (found: ContentUrlsAnswer['objects'] | string) =>
    typeof found === 'string' ? found : [...new Set(found.map((one) => ('problem' in one ? one.problem.code : 'in')))]

  /** With A's identity and all that is known of B. */
  const questions: Record<DeviceRouteId, () => Promise<void>> = {
    // At the door for who has no certificate; they name nobody.
    health: async () => assert.equal(await word('health', a), 'NOT_FOUND'),
    signIn: async () => assert.equal(await word('signIn', a, { csr: b.csr }), 'NOT_FOUND'),
    async enrol() {
      // The request of B, which went through a gateway in clear, with a seal key of A's.
      const sealKey = Buffer.alloc(32, 2).toString('base64')
      const { facts, agent } = bodies.policy as { facts: object; agent: object }
      const body = JSON.stringify({ csr: b.csr, sealKey, facts, agent })
      const question = { method: 'POST', path: devicePath('enrol'), body, credentials: a.credentials }
      assertForbidden((await ask(line.ports.enrolment, question)).word, 'KEY_OF_ANOTHER_DEVICE')
      assert.equal(await word('enrol', a, { csr: b.csr, sealKey, facts, agent }), 'NOT_FOUND')
    },
    renew: async () => assertForbidden(await word('renew', a, { csr: b.csr }), 'KEY_OF_ANOTHER_DEVICE'),
    async policy() {
      const own = bodies.policy as object
      for (const [body, query] of [
        [{ ...own, deviceId: b.deviceId, device: b.deviceId }, ''],
        [own, `?device=${b.deviceId}`],
      ] as const) {
        const answer = await asked('policy', a, body, `${devicePath('policy')}${query}`)
        if (answer.word !== 'in') continue
        const { head, body: signed } = PolicyAnswer.parse(JSON.parse(answer.body))
        const text = [head, signed].map((one) => Buffer.from(one?.payload ?? '', 'base64').toString()).join()
        assert.ok(text.includes(a.deploymentId) && text.includes(a.deviceId))
        for (const its of [b.deviceId, b.deploymentId, b.packageId, b.contentId, b.runId])
          assert.ok(!text.includes(its), `${its} in the policy of A`)
      }
    },
    async notify() {
      const heard = await noticesOf(a, async () => {
        must(await line.admin.call('syncDevice', { id: b.deviceId, body: {} }))
        must(await line.admin.call('syncDevice', { id: a.deviceId, body: {} }))
      })
      assert.deepEqual(heard, ['alive', 'sync'], 'its own one, and none that was said to B before')
    },
    // The catalogue is one for all devices: what may ever run, and no file, secret or key of anybody.
    async catalogueMetadata() {
      const answer = await asked(
        'catalogueMetadata',
        a,
        undefined,
        devicePath('catalogueMetadata', { file: '1.root.json' }),
      )
      assert.ok(answer.word === 'in' && !answer.body.includes(b.deviceId))
    },
    async catalogueTarget() {
      const answer = await asked(
        'catalogueTarget',
        a,
        undefined,
        devicePath('catalogueTarget', { sha256: b.contentId }),
      )
      assert.ok(!answer.body.includes('content.bin'))
    },
    async contentToken() {
      const answer = await asked('contentToken', a, { contents: [a.contentId, b.contentId] })
      const { grants, refused } = ContentTokenAnswer.parse(JSON.parse(answer.body))
      assert.deepEqual(
        grants.map((one) => one.contentId),
        [a.contentId],
      )
      assert.deepEqual(
        refused.map((one) => one.contentId),
        [b.contentId],
      )
      assertForbidden(
        refused.map((one) => one.problem.code),
        'CONTENT_TOKEN_REFUSED',
      )
    },
    async contentUrls() {
      for (const from of [undefined, point]) {
        assert.deepEqual(codes(await addresses(b, b.token, b.contentId, b.objects, from)), ['in'], 'B itself may')
        assertForbidden(codes(await addresses(a, b.token, b.contentId, b.objects, from)), 'CONTENT_TOKEN_REFUSED')
        assertForbidden(codes(await addresses(a, a.token, b.contentId, b.objects, from)), 'CONTENT_TOKEN_REFUSED')
        // As if they were of its own content: the same is said of what nobody has.
        const nobodys = b.objects.map(({ kind }, index) => ({ kind, hash: index.toString(16).padStart(64, '0') }))
        for (const objects of [b.objects, nobodys])
          assertForbidden(codes(await addresses(a, a.token, a.contentId, objects, from)), 'OBJECT_REFUSED')
      }
    },
    async object() {
      for (const from of [undefined, point]) {
        const ofB = await addresses(b, b.token, b.contentId, b.objects, from)
        const ofA = await addresses(a, a.token, a.contentId, a.objects, from)
        assert.ok(typeof ofB === 'object' && typeof ofA === 'object')
        const [own] = ofA.flatMap((one) => ('url' in one ? [new URL(one.url)] : []))
        assert.equal(await word('object', a, undefined, `${own?.pathname}${own?.search}`), 'in', 'its own ones it gets')
        const got = new Set<string>()
        for (const [index, one] of ofB.entries()) {
          const wanted = b.objects[index]
          assert.ok('url' in one && wanted !== undefined)
          const { pathname, search } = new URL(one.url)
          assert.equal(await word('object', b, undefined, `${pathname}${search}`), 'in')
          // B's own address; the same without its signature; with the signature of an address of A's.
          for (const path of [`${pathname}${search}`, objectPath(wanted), objectPath(wanted, own?.search)])
            got.add(await word('object', a, undefined, path))
        }
        assertForbidden([...got], 'SIGNED_URL_REFUSED')
      }
    },
    async secret() {
      const nonce = 'a nonce of sixteen characters'
      const question = { deploymentId: b.deploymentId, runId: b.runId, attempt: '0-1', name: 'SecretB', nonce }
      for (const own of [{}, { runId: a.runId }, { deploymentId: a.deploymentId, runId: a.runId }])
        assertForbidden(await word('secret', a, { ...question, ...own }), 'SECRET_REFUSED')
      assert.equal(await word('secret', b, question), 'in', 'B itself gets it')
    },
    async status() {
      const before = await stateOfB()
      assert.deepEqual(before, [[b.deviceId, 'running']])
      // Whatever A says is of A: that it runs what is B's, and that B's run is over.
      const run = { runId: b.runId, deploymentId: b.deploymentId }
      await say(a, { kind: 'runStarted', ...run, startedBy: 'user' })
      await say(a, { kind: 'deploymentEvaluated', deploymentId: b.deploymentId, revision: 1, refusals: [] })
      assert.deepEqual(await stateOfB(), before)
      const entries = must(await line.admin.call('status', { query: { device: b.deviceId } }))
      assert.equal(entries.filter(({ message }) => message.event.kind === 'runStarted').length, 1)
      await questions.secret()
      await questions.contentToken()
    },
  }

  // B's secret is asked for by A before and after A claims that it runs B's deployment.
  for (const id of Object.keys(deviceRoutes) as DeviceRouteId[]) test(`route ${id}`, () => questions[id]())

  test('no route of the administrators opens to the certificate of a device', async () => {
    for (const route of Object.values(adminRoutes) as AdminRoute[])
      for (const id of [b.deviceId, b.deploymentId]) {
        const question = { method: route.method, path: route.path.replace(':id', id), credentials: a.credentials }
        const { word: said } = await ask(line.ports.admin, {
          ...question,
          ...(route.body === undefined ? {} : { body: '{}' }),
        })
        assert.equal(said, 'NOT_AUTHENTICATED', `${route.method} ${route.path}`)
      }
  })

  /** Kinds of the notices that a device hears up to its first `sync`; @param meanwhile once it listens */
  function noticesOf({ credentials }: Owner, meanwhile: () => Promise<void>): Promise<string[]> {
    return new Promise((resolve, reject) => {
      const kinds: string[] = []
      const options = {
        host: '127.0.0.1',
        port: line.ports.device,
        path: devicePath('notify'),
        rejectUnauthorized: false,
      }
      const outgoing = request({ ...options, ...credentials, agent: false }, (answer) => {
        answer.on('data', (part: Buffer) => {
          for (const text of part.toString().trim().split('\n')) kinds.push((JSON.parse(text) as { kind: string }).kind)
          if (kinds.length === 1) meanwhile().catch(reject)
          if (kinds.at(-1) !== 'sync') return
          resolve(kinds)
          outgoing.destroy()
        })
        answer.on('error', () => {})
      })
      outgoing.on('error', reject)
      outgoing.end()
    })
  }
})
