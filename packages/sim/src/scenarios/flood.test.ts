/** A thousand computers without a token ask a real gateway to be let in: all wait, and others get in meanwhile. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { devicePath, EnrolmentAnswer } from '@sluice/protocol'
import { must } from '../administrator.ts'
import { makeCertificateRequest } from '../certificate-request.ts'
import { type Line, startLine } from '../line.ts'
import { ask } from '../matrix/testing/ask.ts'
import { enrol, wellFormed } from '../matrix/testing/callers.ts'
import { linePorts } from '../ports.ts'

const COMPUTERS = 1_000
/** From as many addresses, each within what one address may ask. */
const ADDRESSES = 10
const MiB = 1024 * 1024
/** What neither site nor gateway may grow by: 1,000 computers that wait are rows, not memory. */
const GROWTH_BYTES = 250 * MiB

const resources = new AsyncDisposableStack()
let folder: string
let line: Line

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-flood-'))
  resources.defer(() => rm(folder, { recursive: true, force: true }))
  line = await startLine({ folder: join(folder, 'line'), ports: await linePorts(0), resources })
})
after(() => resources.disposeAsync())

/** Resident bytes of a process; Linux. */
async function memory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1024
}

/** Asks to be let in, from an address of this machine. */
function come(body: string, localAddress: string, agent: Agent): Promise<EnrolmentAnswer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: line.ports.enrolment, localAddress, agent, rejectUnauthorized: false }
    const headers = { 'content-type': 'application/json' }
    const outgoing = request({ ...options, method: 'POST', path: devicePath('enrol'), headers }, (answer) => {
      let text = ''
      answer.on('data', (part: Buffer) => {
        text += part.toString()
      })
      answer.on('error', reject)
      answer.on('end', () => {
        if (answer.statusCode !== 200) return reject(new Error(`${answer.statusCode} ${text}`))
        resolve(EnrolmentAnswer.parse(JSON.parse(text)))
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

test('all wait and get nothing but that word; one with a token gets in among them', async () => {
  const before = [await memory(await line.site.pid()), await memory(await line.gateway.pid())]
  const { policy } = await wellFormed()
  const { facts, agent: program } = policy as { facts: object; agent: object }
  const sealKey = Buffer.alloc(32, 1).toString('base64')
  const keys = new Set<string>()
  const flood = Array.from({ length: ADDRESSES }, async (_, address) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    try {
      for (let i = 0; i < COMPUTERS / ADDRESSES; i++) {
        const { csr } = await makeCertificateRequest()
        const body = JSON.stringify({ csr, sealKey, facts, agent: program })
        const answer = await come(body, `127.0.0.${address + 2}`, agent)
        assert.equal(answer.state, 'pending')
        for (const key of Object.keys(answer)) keys.add(key)
      }
    } finally {
      agent.destroy()
    }
  })
  const good = await enrol(line, true)
  const { word } = await ask(line.ports.device, {
    ...{ method: 'POST', path: devicePath('policy'), body: JSON.stringify(policy) },
    credentials: good.credentials,
  })
  assert.equal(word, 'in', 'while the others ask')
  await Promise.all(flood)

  assert.deepEqual([...keys].sort(), ['deviceId', 'fingerprint', 'retryAfterMs', 'state'], 'no policy, no trust')
  const pending = must(await line.admin.call('devices', { query: { state: 'pending', total: 'true' } }))
  assert.equal(pending.total, COMPUTERS)
  const approved = must(await line.admin.call('devices', { query: { state: 'approved' } })).items
  assert.deepEqual(
    approved.map(({ id }) => id),
    [good.deviceId],
  )
  const grown = [await memory(await line.site.pid()), await memory(await line.gateway.pid())]
  for (const [i, bytes] of grown.entries()) {
    const growth = bytes - (before[i] ?? 0)
    assert.ok(growth < GROWTH_BYTES, `${i === 0 ? 'site' : 'gateway'} grew by ${Math.round(growth / MiB)} MiB`)
  }
})
