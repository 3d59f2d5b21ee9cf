/** Sources that fail in the middle of a step: each time the next one goes on at once, and it is said why. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { seededBytes } from '@sluice/content/testing'
import { CloudPointId, ContentTokenAnswer, ContentUrlsAnswer, ContentUrlsRequest, problem } from '@sluice/protocol'
import { startTestGateway, type TestAnswer, type TestGateway } from '../testing/test-gateway.ts'
import { until } from '../testing/until.ts'
import type { Line } from './budget/line.ts'
import { describeSource, type SourceNews } from './sources.ts'
import { startTestLine } from './testing/test-line.ts'
import { never, once, silent } from './testing/test-run.ts'

const MiB = 1024 * 1024
const files = { 'big.bin': seededBytes('big', 12 * MiB) }
const pointId = CloudPointId.parse('dp_0123456789')

const jsonOf = (answer: TestAnswer | undefined): unknown =>
  answer !== undefined && 'json' in answer ? answer.json : assert.fail('no answer')

/** A device, and a package that two gateways and a storage have, each with listeners of its own. */
async function startThree(t: TestContext, use?: Line) {
  const line = await startTestLine(t)
  const { gateway: first, contents } = line
  const { authority } = first
  const second = await startTestGateway(t, {}, { authority, name: 'gw_0000000002' })
  const storage = await startTestGateway(t, {}, { authority, name: 'gw_0000000003' })
  const trusted = getCACertificates('default')
  setDefaultCACertificates([...trusted, authority.certificate])
  t.after(() => setDefaultCACertificates(trusted))

  const { contentToken, contentUrls, object } = first.answers
  /** Storage takes the signatures that gateways take: they are of one test. */
  const addresses = (own: TestGateway) => {
    own.answers.contentUrls = async (request) => {
      const answered = ContentUrlsAnswer.parse(jsonOf(await contentUrls?.(request)))
      const { point } = ContentUrlsRequest.parse(request.body)
      const { deviceUrl } = (point === undefined ? own : storage).address
      const objects = answered.objects.map((one) =>
        'url' in one ? { ...one, url: `${deviceUrl}${one.url.slice(one.url.indexOf('/v1/'))}` } : one,
      )
      return { json: { objects } }
    }
  }
  for (const own of [first, second]) {
    addresses(own)
    own.answers.contentToken = async (request) => {
      const answered = ContentTokenAnswer.parse(jsonOf(await contentToken?.(request)))
      const grants = answered.grants.map((grant) => ({
        ...grant,
        sources: [first, second].map(({ address: { gatewayId, deviceUrl } }, i) => ({
          ...{ gatewayId, url: deviceUrl },
          name: ['first', 'second'][i],
        })),
        points: [{ pointId, name: 'cloud' }],
      }))
      return { json: { ...answered, grants } }
    }
  }
  for (const own of [second, storage]) own.answers.object = object
  /** As a gateway whose content was switched off: it still signs for storage. */
  const switchOff = (own: TestGateway) => {
    const refusal = problem('GATEWAY_CONTENT_DISABLED', 'content is switched off')
    const { contentUrls: signs } = own.answers
    own.answers.object = () => ({ problem: refusal })
    own.answers.contentUrls = async (request) =>
      ContentUrlsRequest.parse(request.body).point === undefined
        ? { problem: refusal }
        : ((await signs?.(request)) ?? { problem: refusal })
  }
  const pack = await line.add('ABC00001', files)
  const run = await line.open([pack], {}, use)
  run.client.use([first.address, second.address])
  run.client.useCloud([new URL(storage.address.deviceUrl).origin])
  return { ...{ contents, first, second, storage, switchOff, pack, run } }
}

test('a gateway dies, the next is switched off, the storage goes away: each time the next source goes on', async (t) => {
  const { contents, first, second, storage, switchOff, pack, run } = await startThree(t)
  contents.bytesPerSecond = MiB
  const news: SourceNews[] = []
  const got = run.contents.acquire({ packageId: pack.policy.id, retry: once }, never, {
    ...silent,
    onSource: (one) => news.push(one),
  })
  const chosen = () => news.flatMap((one) => (one.kind === 'chosen' ? [one.source.name] : []))
  const gone = async (name: string, bytes: number, how: () => Promise<void> | void) => {
    await until(`bytes of ${name}`, () => chosen().at(-1) === name && contents.served.packBytes > bytes)
    await how()
  }
  await gone('first', 1 * MiB, () => first.stop())
  await gone('second', 3 * MiB, () => switchOff(second))
  await gone('cloud', 5 * MiB, async () => {
    await first.listen()
    await storage.stop()
  })
  await until('the first again', () => chosen().length === 4)
  contents.bytesPerSecond = undefined
  const done = await got
  assert.ok(done.ok, JSON.stringify(done))
  assert.deepEqual(readFileSync(join(done.value.folder, 'big.bin')), files['big.bin'])
  assert.ok(done.value.fetchedBytes < done.value.neededBytes + 5 * MiB, 'no more than what was on its way is lost')

  const said = news.map(describeSource)
  assert.deepEqual(
    said.filter((text) => !text.startsWith('Source passed over')),
    [
      'Source: gateway first, 1 of 3 in order.',
      'Source: gateway second, 2 of 3 in order.',
      'Source: cloud distribution point cloud, 3 of 3 in order.',
      'Source: gateway first, 1 of 3 in order.',
    ],
  )
  const died = /^(CONTENT_SOURCE_FAILED|UNREACHABLE)$/
  for (const [name, code] of [
    ['first', died],
    ['second', /^GATEWAY_CONTENT_DISABLED$/],
    ['cloud', died],
  ] as const) {
    const codes = news.flatMap((one) => (one.kind === 'passedOver' && one.name === name ? [one.problem.code] : []))
    assert.ok(codes.length > 0 && codes.every((one) => code.test(one)), `${name}: ${codes}`)
    assert.equal(new Set(codes).size, codes.length, `${name}: each reason once`)
    const passed = said.findIndex((text) => text.startsWith(`Source passed over: ${name}: `))
    assert.match(said[passed - 1] ?? '', new RegExp(` ${name}, `), 'after it was chosen')
  }
})

test('a budget that is spent in the middle holds the device and blames no source', async (t) => {
  let spent = false
  const held = problem('METERED_BUDGET_SPENT', 'all of it')
  const use: Line = {
    admit: async () => (spent ? held : undefined),
    passed: () => (spent ? held : undefined),
    givenUp() {},
    mostStreams: () => 4,
    mostRangeBytes: () => MiB,
  }
  const { contents, pack, run } = await startThree(t, use)
  contents.bytesPerSecond = 8 * MiB
  const news: SourceNews[] = []
  const waits: (string | undefined)[] = []
  const got = run.contents.acquire({ packageId: pack.policy.id, retry: once }, never, {
    ...silent,
    onSource: (one) => news.push(one),
    onWaiting: (reason) => waits.push(reason?.code),
  })
  await until('the middle', () => contents.served.packBytes > 2 * MiB)
  spent = true
  await until('it waits', () => waits.filter((code) => code === held.code).length > 4)
  spent = false
  const done = await got
  assert.ok(done.ok, JSON.stringify(done))
  assert.deepEqual(news.map(describeSource), ['Source: gateway first, 1 of 3 in order.'])
})
