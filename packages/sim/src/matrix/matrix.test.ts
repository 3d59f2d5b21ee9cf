/**
 * Walks the live tables of routes of every listener with everybody who may come to it, and holds what
 * they are answered against the matrix that is checked in (`matrix.ts`). A route without a row fails.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { Agent } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect } from 'node:tls'
import {
  type AdminRoute,
  type AdminRouteId,
  adminRoutes,
  ContentTokenAnswer,
  centerPaths,
  type DeviceRouteId,
  devicePath,
  deviceRoutes,
  failed,
  LINK_CONTROL,
  linkPaths,
  problem,
  SESSION_HEADER,
} from '@sluice/protocol'
import { startCenter } from '../../../agent/src/center/center.ts'
import { silentLog } from '../../../agent/src/log.ts'
import { createSettings } from '../../../agent/src/state/settings.ts'
import { openState } from '../../../agent/src/state/state.ts'
import { createManagement, managementRoutes } from '../../../gateway/src/management.ts'
import { type Line, startLine } from '../line.ts'
import { linePorts } from '../ports.ts'
import { adminMatrix, centerMatrix, deviceMatrix, enrolmentMatrix, linkMatrix, managementMatrix } from './matrix.ts'
import { ask } from './testing/ask.ts'
import {
  type Bearer,
  bearers,
  type Credentials,
  makeBearers,
  makeCallers,
  type TlsCaller,
  tlsCallers,
  wellFormed,
} from './testing/callers.ts'

describe('who gets what', () => {
  const resources = new AsyncDisposableStack()
  let folder: string
  let line: Line
  let bodies: Awaited<ReturnType<typeof wellFormed>>
  let callers: Record<TlsCaller, Credentials | undefined>
  let given: Record<Bearer, Record<string, string>>
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-matrix-'))
    resources.defer(() => rm(folder, { recursive: true, force: true }))
    line = await startLine({ folder: join(folder, 'line'), ports: await linePorts(0), resources })
    callers = await makeCallers(line, folder)
    bodies = await wellFormed()
    const token = (await readFile(join(folder, 'line/site/admin-token'), 'utf8')).trim()
    given = await makeBearers(line, token)
  })
  after(() => resources.disposeAsync())

  const parameters = { file: '1.root.json', sha256: 'a'.repeat(64), kind: 'pack', hash: 'b'.repeat(64) }
  const deviceIds = Object.keys(deviceRoutes) as DeviceRouteId[]

  /** What a route answers to each caller, in the order of the callers. */
  async function answers(port: number, id: DeviceRouteId): Promise<Record<TlsCaller, string>> {
    const { method } = deviceRoutes[id]
    const row: Partial<Record<TlsCaller, string>> = {}
    for (const who of tlsCallers) {
      const credentials = callers[who]
      const body = method === 'POST' ? { body: JSON.stringify(bodies[id] ?? {}) } : {}
      row[who] = (await ask(port, { method, path: devicePath(id, parameters), ...body, credentials })).word
    }
    return row as Record<TlsCaller, string>
  }

  for (const [listener, matrix] of [
    ['device', deviceMatrix],
    ['enrolment', enrolmentMatrix],
  ] as const)
    test(`the ${listener} listener, every route of the device plane`, async () => {
      const live: Partial<Record<DeviceRouteId, Record<TlsCaller, string>>> = {}
      for (const id of deviceIds) live[id] = await answers(line.ports[listener], id)
      assert.deepEqual(live, matrix)
    })

  for (const listener of ['device', 'enrolment'] as const)
    test(`the ${listener} listener: no token and no session of anybody opens anything`, async () => {
      const agent = new Agent({ keepAlive: true })
      resources.defer(() => agent.destroy())
      const matrix = listener === 'device' ? deviceMatrix : enrolmentMatrix
      for (const id of deviceIds)
        for (const who of bearers) {
          const { method } = deviceRoutes[id]
          const body = method === 'POST' ? { body: JSON.stringify(bodies[id] ?? {}) } : {}
          const question = { method, path: devicePath(id, parameters), headers: given[who], ...body, agent }
          const { word } = await ask(line.ports[listener], question)
          assert.equal(word, matrix[id].nobody, `${id}, ${who}`)
        }
    })

  test('the admin API: no certificate opens anything, whoever signed it', async () => {
    for (const who of tlsCallers) {
      const agent = new Agent({ keepAlive: true, ...callers[who] })
      for (const route of Object.values(adminRoutes) as AdminRoute[]) {
        const question = { method: route.method, path: route.path.replace(':id', 'nothing'), agent }
        const { word } = await ask(line.ports.admin, { ...question, credentials: callers[who] })
        assert.equal(word, 'NOT_AUTHENTICATED', `${who}, ${route.method} ${route.path}`)
      }
      agent.destroy()
    }
  })

  test('a device gets no content that no deployment of its own covers', async () => {
    const question = { method: 'POST', path: devicePath('contentToken'), body: JSON.stringify(bodies.contentToken) }
    const { body } = await ask(line.ports.device, { ...question, credentials: callers.device, whole: true })
    const { grants, refused } = ContentTokenAnswer.parse(JSON.parse(body))
    assert.deepEqual([grants, refused.map((one) => one.problem.code)], [[], ['CONTENT_TOKEN_REFUSED']])
  })

  test('no path of the link is served at a door that devices or administrators come to', async () => {
    const { admin, device, enrolment } = line.ports
    for (const path of Object.values(linkPaths))
      for (const port of [admin, device, enrolment])
        for (const method of ['GET', 'POST']) {
          const { word } = await ask(port, { method, path, credentials: callers.device })
          assert.equal(word, port === admin ? 'NOT_AUTHENTICATED' : 'NOT_FOUND', `${method} ${path}`)
        }
  })

  test('the link listener lets in the connector of the site, and nobody else', async () => {
    const live: Partial<Record<TlsCaller, string>> = {}
    for (const who of tlsCallers) live[who] = await linkWord(line.ports.link, callers[who])
    assert.deepEqual(live, linkMatrix)
  })

  test('the admin API, every route', async () => {
    const agent = new Agent({ keepAlive: true })
    resources.defer(() => agent.destroy())
    const live: Partial<Record<AdminRouteId, Record<string, string>>> = {}
    for (const [id, route] of Object.entries(adminRoutes) as [AdminRouteId, AdminRoute][]) {
      const row: Record<string, string> = {}
      for (const who of bearers) {
        const headers = given[who]
        // Of no form that a route takes: nothing is changed by asking.
        const body = route.body === undefined ? {} : { body: '{"matrix":true}' }
        // A certificate of a device opens nothing here.
        const question = { method: route.method, path: route.path.replace(':id', 'nothing'), headers, ...body, agent }
        row[who] = (await ask(line.ports.admin, { ...question, credentials: callers.device })).word
      }
      live[id] = row
    }
    assert.deepEqual(live, adminMatrix)
  })

  test('Software Center, every path', async () => {
    const state = await openState(join(folder, 'agent'))
    assert.ok(state.ok)
    const center = await startCenter({
      host: '127.0.0.1',
      port: 0,
      stateFolder: join(folder, 'agent'),
      pageFolder: folder,
      settings: createSettings(state.value),
      state: async () => ({ device: { name: 'x', os: 'x' }, organisation: '', online: true, items: [] }),
      install: async () => failed(problem('NOT_FOUND', 'There is no such deployment.')),
      pause: () => failed(problem('NOT_FOUND', 'There is no such run.')),
      syncPolicy: () => {},
      log: silentLog,
    })
    assert.ok(center.ok)
    try {
      const { url: origin } = center.value
      const written = JSON.parse(await readFile(join(folder, 'agent/software-center.json'), 'utf8')) as { url: string }
      const token = new URLSearchParams(new URL(written.url).hash.slice(1)).get('token') ?? ''
      const visitors: Record<string, Record<string, string>> = {
        nobody: { origin },
        wrongToken: { origin, [SESSION_HEADER]: `${token}x` },
        otherOrigin: { origin: 'https://evil.example', [SESSION_HEADER]: token },
        otherSite: { origin, 'sec-fetch-site': 'cross-site', [SESSION_HEADER]: token },
        otherHost: { origin, host: 'localhost', [SESSION_HEADER]: token },
        administrator: { origin, ...given.dataFolder },
        device: { origin, ...given.enrolmentToken },
        user: { origin, [SESSION_HEADER]: token },
      }
      const live: Record<string, Record<string, string>> = {}
      for (const [id, path] of Object.entries(centerPaths)) {
        const method = id === 'state' || id === 'events' ? 'GET' : 'POST'
        const row: Record<string, string> = {}
        for (const [who, headers] of Object.entries(visitors)) {
          const at = typeof path === 'string' ? path : path('dep_0000000000')
          row[who] = (await ask(Number(new URL(origin).port), { method, path: at, headers, scheme: 'http' })).word
        }
        live[id] = row
      }
      assert.deepEqual(live, centerMatrix)
    } finally {
      await center.value.stop()
      await state.value.close()
    }
  })

  test('the listener for whoever runs a gateway, and nothing of the other listeners at it', async () => {
    const metrics = { observe() {}, text: async () => 'a 1\n', contentType: 'text/plain' }
    const management = createManagement(metrics, () => 'it has heard of no site')
    const port = await management.listen({ host: '127.0.0.1', port: 0 })
    assert.ok(port.ok)
    try {
      const word = async (path: string, method = 'GET', headers: Record<string, string> = {}) => {
        const { status } = await fetch(`http://127.0.0.1:${port.value}${path}`, { method, headers })
        return status === 200 ? 'in' : String(status)
      }
      const live: Record<string, string> = {}
      for (const [id, { path, identity }] of Object.entries(managementRoutes)) {
        assert.equal(identity, 'local')
        live[id] = await word(path)
        // Whoever is on this machine: nothing that somebody brings along makes it more or less.
        for (const who of bearers) assert.equal(await word(path, 'GET', given[who]), live[id])
        assert.equal(await word(path, 'POST'), '404')
      }
      assert.deepEqual(live, managementMatrix)
      for (const id of deviceIds) assert.equal(await word(devicePath(id, parameters), deviceRoutes[id].method), '404')
    } finally {
      await management.close()
    }
  })
})

/** `in` when the listener begins to speak the link, `cut` when it ends the connection. */
function linkWord(port: number, credentials: Credentials | undefined): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({
      ...{ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: [LINK_CONTROL] },
      ...credentials,
    })
    const end = (word: string) => {
      resolve(word)
      socket.destroy()
    }
    // The gateway is the HTTP/2 client: whom it lets in gets its preface.
    socket.once('data', () => end('in'))
    socket.once('error', () => end('cut'))
    socket.once('close', () => end('cut'))
  })
}
