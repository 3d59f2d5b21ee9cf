import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { batchBounds, writeAnswerFrame } from '@sluice/protocol'
import { ask, createWorld, until, type World } from '../testing/gateway-world.ts'

const json = (value: unknown) => Buffer.from(JSON.stringify(value))

describe('polls that go together', () => {
  let world: World
  let port: number
  let echo: World['site']['onRelay']
  /** How many came in each batch. */
  let batches: number[]
  before(async () => {
    world = await createWorld()
    port = (await world.startLinked()).ports.device
    echo = world.site.onRelay
  })
  after(() => world.close())
  beforeEach(() => {
    batches = []
    world.site.relayed.length = 0
    world.site.onRelay = echo
    world.site.onTogether = (requests) => {
      batches.push(requests)
      return false
    }
  })

  const poll = (body: Buffer | string) =>
    ask('/v1/policy', { port, agent: world.agent(world.device), method: 'POST', body })
  const bodies = Array.from({ length: 30 }, (_, i) => `{"number":${i}}`)
  const names = () => world.site.relayed.map(({ body }) => body.toString()).sort()

  test('are few requests to the site, each with its own answer, and a fault is that of one', async () => {
    world.site.onRelay = async ({ body }) => {
      const { number } = JSON.parse(body.toString()) as { number: number }
      // The others do not wait for the slow one.
      if (number === 7) await until(() => world.site.relayed.length === 30, 'all of them')
      return number === 3
        ? { status: 403, contentType: 'application/problem+json', body: json({ code: 'CERTIFICATE_REVOKED' }) }
        : { status: 200, contentType: 'application/json', body: json({ answerTo: number }) }
    }
    const answers = await Promise.all(bodies.map(poll))
    for (const [i, answer] of answers.entries()) {
      assert.equal(answer.status, i === 3 ? 403 : 200)
      if (i !== 3) assert.deepEqual(answer.json(), { answerTo: i })
    }
    assert.equal(
      batches.reduce((sum, one) => sum + one, 0),
      30,
    )
  })

  test('bytes arrive as they were sent, whatever they are', async () => {
    const body = Buffer.from([0xff, 0xfe, 0, 10, 13, 0x80])
    world.site.onRelay = async (relayed) => ({ status: 200, contentType: 'application/json', body: relayed.body })
    const answer = await poll(body)
    assert.deepEqual(world.site.relayed[0]?.body, body)
    assert.deepEqual(answer.body, body)
  })

  test('one that is long goes alone, and so does one whose answer is long', async () => {
    const long = Buffer.alloc(batchBounds.requestBytes + 1, 'x')
    assert.equal((await poll(long)).status, 200)
    assert.deepEqual(batches, [])
    const large = Buffer.alloc(batchBounds.answerBytes + 1, '1')
    world.site.onRelay = async () => ({ status: 200, contentType: 'application/json', body: large })
    assert.equal((await poll('{}')).body.length, large.length)
    assert.deepEqual(batches, [1])
  })

  test('a site that does not know of it answers each alone', async () => {
    world.site.onTogether = (_, stream) => {
      stream.respond({ ':status': 404 }, { endStream: true })
      return true
    }
    for (const { status } of await Promise.all(bodies.map(poll))) assert.equal(status, 200)
    assert.deepEqual(names(), bodies.toSorted())
  })

  test('when a batch breaks, who has no answer yet is asked for once more, alone', async () => {
    world.site.onTogether = (_, stream) => {
      stream.respond({ ':status': 200 })
      stream.write(writeAnswerFrame(0, 200, 'application/json', json({ first: true })))
      setTimeout(() => stream.close(), 20)
      return true
    }
    const answers = await Promise.all(bodies.map(poll))
    for (const { status } of answers) assert.equal(status, 200)
    const answered = answers.filter((answer) => 'first' in answer.json()).length
    assert.ok(answered > 0)
    assert.equal(world.site.relayed.length, 30 - answered)
  })

  test('an answer to nothing that was asked is not taken', async () => {
    world.site.onTogether = (_, stream) => {
      stream.respond({ ':status': 200 })
      stream.end(writeAnswerFrame(9, 200, 'application/json', json({ forged: true })))
      return true
    }
    const answer = await poll('{}')
    assert.deepEqual([answer.status, 'forged' in answer.json()], [200, false])
  })
})
