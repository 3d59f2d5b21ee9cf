import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CenterState, centerPaths, problem, type RunId, SESSION_HEADER } from '@sluice/protocol'
import { silentLog } from '../log.ts'
import { createSettings } from '../state/settings.ts'
import { openState } from '../state/state.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { until } from '../testing/until.ts'
import { type Center, type CenterOptions, startCenter } from './center.ts'

const DEVICE = 'secret-name-of-the-device'
const deployment = 'dep_0000000001'

interface World {
  center: Center
  folder: string
  token: string
  host: string
  /** Everything that changed something: an install or a sync. */
  changes: string[]
  state: CenterState
  /** Starts once more on the same state, as after a restart of the agent. */
  restart(): Promise<Center>
}

async function world(t: TestContext, more: Partial<CenterOptions> = {}): Promise<World> {
  const folder = temporaryFolder(t)
  const pageFolder = join(folder, 'dist')
  mkdirSync(join(pageFolder, 'assets'), { recursive: true })
  writeFileSync(join(pageFolder, 'center.html'), '<!doctype html><title>Software Center</title>')
  writeFileSync(join(pageFolder, 'assets/center-1a2b.js'), 'export {}')
  writeFileSync(join(folder, 'outside.js'), 'outside')
  symlinkSync(join(folder, 'outside.js'), join(pageFolder, 'link.js'))
  const opened = await openState(join(folder, 'state'))
  assert.ok(opened.ok)
  const settings = createSettings(opened.value)
  const changes: string[] = []
  const state: CenterState = { device: { name: DEVICE, os: 'MiniOS 1' }, organisation: '', online: true, items: [] }
  const options: CenterOptions = {
    host: '127.0.0.1',
    port: 0,
    stateFolder: opened.value.folder,
    pageFolder,
    settings,
    state: async () => structuredClone(state),
    install: async (id) => {
      changes.push(`install ${id}`)
      return { ok: true, value: { runId: 'run_0000000001' as RunId } }
    },
    pause(id, paused) {
      changes.push(`${paused ? 'pause' : 'resume'} ${id}`)
      return { ok: true, value: undefined }
    },
    syncPolicy: () => changes.push('sync'),
    log: silentLog,
    pauseMs: 20,
    ...more,
  }
  let current: Center | undefined
  const restart = async () => {
    await current?.stop()
    const started = await startCenter(options)
    assert.ok(started.ok)
    current = started.value
    return started.value
  }
  const center = await restart()
  t.after(async () => {
    await current?.stop()
    opened.value.close()
  })
  const { url } = JSON.parse(readFileSync(join(options.stateFolder, 'software-center.json'), 'utf8'))
  const token = new URLSearchParams(new URL(url).hash.slice(1)).get('token') ?? ''
  return { center, folder: options.stateFolder, token, host: new URL(url).host, changes, state, restart }
}

interface Answer {
  status: number
  headers: Record<string, unknown>
  body: string
}

/** One request with exactly these headers. */
function ask(
  host: string,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body = '',
): Promise<Answer> {
  const { hostname, port } = new URL(`http://${host}`)
  return new Promise((resolve, reject) => {
    request({ hostname, port, method, path, headers: { host, ...headers }, agent: false }, (response) => {
      let text = ''
      response.on('data', (part) => {
        text += part
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }))
    })
      .on('error', reject)
      .end(body)
  })
}

const own = ({ host, token }: World) => ({
  [SESSION_HEADER]: token,
  origin: `http://${host}`,
  'sec-fetch-site': 'same-origin',
})

test('the page gets the state, installs, and asks for policy', async (t) => {
  const at = await world(t)
  const state = await ask(at.host, 'GET', centerPaths.state, own(at))
  assert.equal(state.status, 200)
  assert.equal(CenterState.parse(JSON.parse(state.body)).device.name, DEVICE)
  const installed = await ask(at.host, 'POST', centerPaths.install(deployment), own(at))
  assert.equal(installed.status, 202)
  assert.deepEqual(JSON.parse(installed.body), { runId: 'run_0000000001' })
  assert.equal((await ask(at.host, 'POST', centerPaths.syncPolicy, own(at))).status, 202)
  assert.deepEqual(at.changes, [`install ${deployment}`, 'sync'])
})

test('a program of the user, which is no browser, says its origin and its token', async (t) => {
  const at = await world(t)
  const headers = { [SESSION_HEADER]: at.token }
  assert.equal((await ask(at.host, 'GET', centerPaths.state, headers)).status, 200)
  assert.equal((await ask(at.host, 'POST', centerPaths.syncPolicy, headers)).status, 403)
  const withOrigin = { ...headers, origin: `http://${at.host}`, 'content-type': 'application/json' }
  assert.equal((await ask(at.host, 'POST', centerPaths.syncPolicy, withOrigin, '{}')).status, 202)
})

test('why an install is refused reaches the page with its code', async (t) => {
  const at = await world(t, { install: async () => ({ ok: false, problem: problem('RUN_IN_PROGRESS', 'Upgrade') }) })
  const refused = await ask(at.host, 'POST', centerPaths.install(deployment), own(at))
  assert.equal(refused.status, 409)
  assert.equal(JSON.parse(refused.body).code, 'RUN_IN_PROGRESS')
})

test('SEC-70: whatever a hostile page makes a browser send, nothing changes and nothing is told', async (t) => {
  const at = await world(t)
  const { host, token } = at
  const good = own(at)
  const hostile: [string, Record<string, string>][] = [
    [
      'a form',
      {
        origin: 'https://evil.example',
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
        'content-type': 'application/x-www-form-urlencoded',
      },
    ],
    [
      'a form of a frame without origin',
      { origin: 'null', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
    ],
    [
      'fetch no-cors',
      {
        origin: 'https://evil.example',
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'no-cors',
        'content-type': 'text/plain',
      },
    ],
    ['an image', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
    ['a page of another port', { origin: 'http://127.0.0.1:1', 'sec-fetch-site': 'same-site' }],
    ['an old browser, with the origin only', { origin: 'http://evil.example' }],
    ['an old browser, without anything', {}],
    ['a rebound name', { host: 'evil.example', origin: 'http://evil.example', 'sec-fetch-site': 'same-origin' }],
    ['a rebound name with the port', { host: `evil.example:${host.split(':')[1]}`, 'sec-fetch-site': 'same-origin' }],
    ['0.0.0.0', { host: host.replace('127.0.0.1', '0.0.0.0') }],
    ['localhost', { host: host.replace('127.0.0.1', 'localhost') }],
    ['another port in Host', { host: '127.0.0.1:80' }],
    ['no Host', { host: '' }],
    ['a websocket', { upgrade: 'websocket', connection: 'Upgrade', origin: 'https://evil.example' }],
    ['a wrong token', { ...good, [SESSION_HEADER]: `${token}x` }],
    ['an empty token', { ...good, [SESSION_HEADER]: '' }],
    ['no token', { origin: good.origin, 'sec-fetch-site': 'same-origin' }],
    ['the token in a cookie', { origin: good.origin, cookie: `${SESSION_HEADER}=${token}` }],
    ['the token, from another origin', { ...good, origin: 'https://evil.example' }],
    ['the token, from another site', { ...good, 'sec-fetch-site': 'cross-site' }],
    ['the token, from a link', { ...good, 'sec-fetch-site': 'none' }],
    ['the token, for another host', { ...good, host: 'evil.example' }],
  ]
  const targets = [
    ['GET', centerPaths.state],
    ['GET', centerPaths.events],
    ['POST', centerPaths.install(deployment)],
    ['POST', centerPaths.syncPolicy],
    ['GET', `${centerPaths.state}?token=${token}`],
  ] as const
  for (const [what, headers] of hostile)
    for (const [method, path] of targets) {
      const answer = await ask(host, method, path, headers)
      assert.ok(answer.status === 403 || answer.status === 400, `${what}: ${method} ${path} gave ${answer.status}`)
      assert.ok(!answer.body.includes(DEVICE), what)
      assert.equal(answer.headers['access-control-allow-origin'], undefined)
    }
  assert.deepEqual(at.changes, [])
})

test('SEC-70: requests that are odd as such change nothing and tell nothing', async (t) => {
  const at = await world(t)
  const { host, token } = at
  const lines = (first: string, ...headers: string[]) =>
    [first, ...headers, `${SESSION_HEADER}: ${token}`, `origin: http://${host}`, 'connection: close', '', ''].join(
      '\r\n',
    )
  for (const [what, text] of [
    ['two Host headers', lines('POST /api/policy/sync HTTP/1.1', `host: ${host}`, 'host: evil.example')],
    [
      'two Host headers, the other way round',
      lines('POST /api/policy/sync HTTP/1.1', 'host: evil.example', `host: ${host}`),
    ],
    ['an absolute address', lines(`POST http://evil.example/api/policy/sync HTTP/1.1`, `host: ${host}`)],
    ['HTTP/1.0 without Host', lines('POST /api/policy/sync HTTP/1.0')],
    ['a doubled slash', lines('POST //api/policy/sync HTTP/1.1', `host: ${host}`)],
  ] as const) {
    const answer = await raw(host, text)
    assert.match(answer, /^HTTP\/1\.1 40[034]/, what)
    assert.ok(!answer.includes(DEVICE), what)
  }
  for (const method of ['OPTIONS', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'TRACE'])
    for (const path of [centerPaths.state, centerPaths.syncPolicy, centerPaths.install(deployment)])
      assert.equal((await ask(host, method, path, own(at))).status, 404, `${method} ${path}`)
  assert.deepEqual(at.changes, [])
})

test('SEC-72: the API takes a deployment id and a verb, nothing else', async (t) => {
  const at = await world(t)
  for (const id of [
    '..',
    'dep_x',
    'dep_0000000001%2f..',
    '/etc/passwd',
    'run_0000000001',
    'https:evil.example',
    'dep_0000000001/x',
  ])
    assert.equal((await ask(at.host, 'POST', `/api/deployments/${id}/install`, own(at))).status, 404, id)
  for (const verb of ['cancel', 'install/', 'INSTALL', ''])
    assert.equal((await ask(at.host, 'POST', `/api/deployments/${deployment}/${verb}`, own(at))).status, 404, verb)
  const path = centerPaths.install(deployment)
  for (const body of ['{"command":"/bin/sh"}', 'x'.repeat(100_000), '[]'])
    assert.equal((await ask(at.host, 'POST', path, own(at), body)).status, 400)
  assert.deepEqual(at.changes, [])
})

test('the page is served with a policy that forbids everything from elsewhere', async (t) => {
  const at = await world(t)
  const page = await ask(at.host, 'GET', '/', { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' })
  assert.equal(page.status, 200)
  assert.match(page.body, /Software Center/)
  assert.match(String(page.headers['content-security-policy']), /default-src 'none'.*frame-ancestors 'none'/)
  assert.equal(page.headers['x-content-type-options'], 'nosniff')
  assert.equal(page.headers['cross-origin-resource-policy'], 'same-origin')
  const script = await ask(at.host, 'GET', '/assets/center-1a2b.js', { 'sec-fetch-site': 'same-origin' })
  assert.equal(script.headers['content-type'], 'text/javascript; charset=utf-8')
  assert.match(String(script.headers['cache-control']), /immutable/)
  // From a link in a mail, yes; within another site's page, no.
  const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
  assert.equal((await ask(at.host, 'GET', '/', link)).status, 200)
  assert.equal((await ask(at.host, 'GET', '/', { ...link, 'sec-fetch-dest': 'iframe' })).status, 403)
  assert.equal((await ask(at.host, 'GET', '/assets/center-1a2b.js', { 'sec-fetch-site': 'cross-site' })).status, 403)
})

test('nothing outside the page folder is served', async (t) => {
  const at = await world(t)
  for (const path of [
    '/../outside.js',
    '/%2e%2e/outside.js',
    '/assets/..%2f..%2foutside.js',
    '/link.js',
    '/.hidden.js',
    '/assets',
    '/assets/',
    '/assets\\..\\x.js',
    '/none.js',
    '/center.html/x.js',
  ])
    assert.equal((await ask(at.host, 'GET', path)).status, 404, path)
})

test('open pages see every last state, the first at once, and not more often than allowed', async (t) => {
  const at = await world(t)
  const seen: CenterState[] = []
  const { hostname, port } = new URL(`http://${at.host}`)
  const stream = request({ hostname, port, path: centerPaths.events, headers: own(at), agent: false }, (response) => {
    let rest = ''
    response.on('data', (part) => {
      const lines = (rest + part).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) seen.push(CenterState.parse(JSON.parse(line)))
    })
    response.on('error', () => {})
  })
  stream.on('error', () => {})
  stream.end()
  await until('the first state', () => seen.length === 1)
  for (let n = 1; n <= 100; n++) {
    at.state.organisation = `change ${n}`
    at.center.changed()
    if (n % 10 === 0) await new Promise(setImmediate)
  }
  await until('the last state', () => seen.at(-1)?.organisation === 'change 100')
  assert.ok(seen.length < 50, `${seen.length} states for 100 changes`)
  stream.destroy()
})

test('an open page does not keep the agent from stopping', async (t) => {
  const at = await world(t)
  const { hostname, port } = new URL(`http://${at.host}`)
  const ended = new Promise((resolve) => {
    request({ hostname, port, path: centerPaths.events, headers: own(at), agent: false }, (response) => {
      response.once('data', () => void at.center.stop())
      response.on('close', resolve)
    }).end()
  })
  await ended
})

test('address file and token are for the user of the agent only, and outlive its restart', async (t) => {
  const at = await world(t)
  const file = join(at.folder, 'software-center.json')
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.ok(Buffer.from(at.token, 'base64url').length === 32)
  const before = readFileSync(file, 'utf8')
  const again = await at.restart()
  assert.equal(readFileSync(file, 'utf8'), before)
  assert.equal(again.url, `http://${at.host}`)
  assert.ok(!again.url.includes(at.token))
})

test('a port that somebody has: another one where any will do, else PORT_TAKEN', async (t) => {
  const at = await world(t)
  await at.center.stop()
  const port = Number(at.host.split(':')[1])
  const squatter = createServer().listen(port, '127.0.0.1')
  t.after(() => squatter.close())
  await until('the port is taken', () => squatter.listening)
  const other = await at.restart()
  assert.notEqual(other.url, `http://${at.host}`)

  const folder = temporaryFolder(t)
  const opened = await openState(folder)
  assert.ok(opened.ok)
  t.after(() => opened.value.close())
  const refused = await startCenter({
    host: '127.0.0.1',
    port: (squatter.address() as AddressInfo).port,
    stateFolder: folder,
    pageFolder: folder,
    settings: createSettings(opened.value),
    state: async () => at.state,
    install: async () => ({ ok: false, problem: problem('NOT_FOUND', '') }),
    pause: () => ({ ok: false, problem: problem('NOT_FOUND', '') }),
    syncPolicy: () => {},
    log: silentLog,
  })
  assert.ok(!refused.ok)
  assert.equal(refused.problem.code, 'PORT_TAKEN')
})

/** Sends bytes as they are; resolves with all that comes back. */
function raw(host: string, text: string): Promise<string> {
  const { hostname, port } = new URL(`http://${host}`)
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(Number(port), hostname, () => socket.end(text))
    socket.on('data', (part) => {
      answer += part
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
  })
}
