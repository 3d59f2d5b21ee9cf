/** Which source is asked for an address, and when another one takes its place. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CloudPointId, ContentId, ok, type Problem, problem, Sha256 } from '@sluice/protocol'
import { createSources, describeSource } from './sources.ts'
import { createUrlBook } from './url-book.ts'

const contentId = ContentId.parse('a'.repeat(64))
const pack = { contentId, kind: 'pack', hash: Sha256.parse('b'.repeat(64)) } as const
const points = ['first', 'second'].map((name, i) => ({ pointId: CloudPointId.parse(`dp_000000000${i}`), name }))

/** A device that may fetch a content from two cloud distribution points. */
function openBook(of = points, refused?: Problem) {
  const said: string[] = []
  const asked: (string | undefined)[] = []
  const urls = createUrlBook({
    client: {
      async call(_route: string, { body }: { body: { point?: string; objects: { hash: string }[] } }) {
        asked.push(points.find(({ pointId }) => pointId === body.point)?.name)
        const expiresAt = new Date(Date.now() + 300_000).toISOString()
        const objects = body.objects.map(({ hash }) =>
          refused === undefined
            ? { hash, url: `https://${body.point}/${hash}`, expiresAt }
            : { hash, problem: refused },
        )
        return ok({ objects })
      },
      objectTarget: (url: string) => ok({ url: new URL(url), agent: {}, source: 'cloud' }),
    } as unknown as Parameters<typeof createUrlBook>[0]['client'],
    token: async () => ok('token'),
    grant: async () => ok({ contentId, sources: [], points: of, passedOver: [] } as never),
    sources: createSources((news) => said.push(describeSource(news))),
    signal: new AbortController().signal,
  })
  /** What came of the pack's address was wrong. */
  const forget = async (reason: Problem) => {
    const target = await urls.get(pack)
    assert.ok(target.ok)
    return urls.forget(pack, reason, target.value)
  }
  return { urls, said, asked, forget }
}

test('an address that storage refuses although it should hold: the next source is asked, with the reason said', async () => {
  const { urls, said, asked, forget } = openBook()
  assert.ok((await urls.get(pack)).ok)
  await forget(problem('SIGNED_URL_REFUSED', 'HTTP 403'))
  assert.ok((await urls.get(pack)).ok)
  assert.deepEqual(asked, ['first', 'second'])
  assert.deepEqual(said, [
    'Source: cloud distribution point first, 1 of 2 in order.',
    'Source passed over: first: SIGNED_URL_REFUSED: HTTP 403',
    'Source: cloud distribution point second, 2 of 2 in order.',
  ])
})

test('the only source is asked on', async () => {
  const { urls, asked, forget } = openBook(points.slice(0, 1))
  for (let tries = 0; tries < 3; tries++) {
    assert.ok((await urls.get(pack)).ok)
    await forget(problem('SIGNED_URL_REFUSED', 'HTTP 403'))
  }
  assert.deepEqual(asked, ['first', 'first', 'first'])
})

test('a pack that is gone says nothing about its source', async () => {
  const { urls, asked, said, forget } = openBook()
  await urls.get(pack)
  await forget(problem('PACK_GONE', 'HTTP 404'))
  await urls.get(pack)
  assert.deepEqual(asked, ['first', 'first'])
  assert.equal(said.length, 1)
})

test('a pack that a gateway never heard of is gone, for who was sent there', async () => {
  const { urls, asked } = openBook(points, problem('OBJECT_REFUSED', 'no such pack'))
  const answer = await urls.get(pack)
  assert.equal(answer.ok ? 'given' : answer.problem.code, 'PACK_GONE')
  assert.deepEqual(asked, ['first'], 'another source would say the same')
})

test('what a source refuses for good is no end while there is another', async () => {
  const disabled = problem('GATEWAY_CONTENT_DISABLED', 'content is switched off')
  const two = openBook()
  await two.urls.get(pack)
  const taken = await two.forget(disabled)
  assert.equal(taken.code, 'CONTENT_SOURCE_FAILED')
  assert.equal(taken.detail, 'dp_0000000000: GATEWAY_CONTENT_DISABLED: content is switched off')
  const one = openBook(points.slice(0, 1))
  await one.urls.get(pack)
  assert.equal(await one.forget(disabled), disabled)
})

test('two streams are refused by one source: the one that comes late does not blame the next source', async () => {
  const { urls, said } = openBook()
  const disabled = problem('GATEWAY_CONTENT_DISABLED', 'content is switched off')
  const target = await urls.get(pack)
  assert.ok(target.ok)
  const codes = [urls.forget(pack, disabled, target.value).code, urls.forget(pack, disabled, target.value).code]
  assert.ok((await urls.get(pack)).ok)
  codes.push(urls.forget(pack, disabled, target.value).code)
  assert.deepEqual(codes, Array(3).fill('CONTENT_SOURCE_FAILED'))
  assert.equal(said.at(-1), 'Source: cloud distribution point second, 2 of 2 in order.')
})

for (const code of ['DOWNLOAD_NOT_NOW', 'METERED_BLOCKED', 'METERED_BUDGET_SPENT'] as const)
  test(`${code} holds the device: no source is blamed, and its address is kept`, async () => {
    const { urls, asked, said, forget } = openBook()
    assert.equal((await forget(problem(code, 'not now'))).code, code)
    assert.ok((await urls.get(pack)).ok)
    assert.deepEqual(asked, ['first'])
    assert.deepEqual(said, ['Source: cloud distribution point first, 1 of 2 in order.'])
  })

for (const code of ['CONTENT_TOKEN_REFUSED', 'CERTIFICATE_EXPIRED'] as const)
  test(`${code} is about what the device asks with: the same source gives another address`, async () => {
    const { urls, asked, said, forget } = openBook()
    assert.equal((await forget(problem(code, 'renew it'))).code, code)
    assert.ok((await urls.get(pack)).ok)
    assert.deepEqual(asked, ['first', 'first'])
    assert.equal(said.length, 1)
  })
