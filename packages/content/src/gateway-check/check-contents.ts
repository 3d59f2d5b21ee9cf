/** From the right to a content to its bytes: where it is said to lie, and whether it really does. */
import {
  type CloudPointId,
  type ContentGrant,
  type ContentId,
  ContentTokenAnswer,
  ContentUrlsAnswer,
  type Problem,
  problem,
  readProblem,
  type Sha256,
} from '@sluice/protocol'
import { type Asker, parsed } from './asker.ts'
import { failedHop, type Hop, passedHop, skippedHop } from './hop.ts'

/** Bytes that are asked for of an object. */
const RANGE_BYTES = 1024

export async function* checkContents(
  asker: Asker,
  contents: readonly ContentId[],
  deviceUrl: string,
): AsyncGenerator<Hop> {
  const refusal = await locationRefusal(asker)
  if (refusal !== undefined) {
    yield failedHop('Content location', refusal)
    return
  }
  const [contentId] = contents
  if (contentId === undefined) {
    yield passedHop('Content location', 'answers')
    yield skippedHop('Content', 'no content was named that this device may fetch')
    return
  }
  const asked = await asker.device('contentToken', {}, { contents: [contentId] })
  const answer = asked.ok ? ContentTokenAnswer.safeParse(parsed(asked.value.body)).data : undefined
  if (answer === undefined) {
    yield failedHop('Content location', asked.ok ? problem('BAD_ANSWER', 'It is no content token.') : asked.problem)
    return
  }
  const grant = answer.grants.find((one) => one.contentId === contentId)
  if (grant === undefined) {
    const why = answer.refused.find((one) => one.contentId === contentId)?.problem
    yield failedHop('Content location', why === undefined ? problem('BAD_ANSWER', 'Nothing is granted.') : known(why))
    return
  }
  yield passedHop('Content location', `${grant.packageId} lies at ${placesOf(grant)}`)
  const { token } = answer
  if (grant.sources.some(({ url }) => new URL(url).origin === new URL(deviceUrl).origin))
    yield await checkObject(asker, grant, { hop: 'Content here', token })
  for (const { pointId, name } of grant.points)
    yield await checkObject(asker, grant, { hop: `Content at ${name}`, token, point: pointId })
}

const placesOf = ({ sources, points }: ContentGrant): string =>
  [...sources, ...points].map(({ name }) => name).join(', ') || 'no distribution point in reach'

/** A token that is none is refused last: whatever else stands against content is said before. */
async function locationRefusal(asker: Asker): Promise<Problem | undefined> {
  const nothing = '0'.repeat(64)
  const objects = [{ contentId: nothing, kind: 'page', hash: nothing }]
  const answered = await asker.device('contentUrls', {}, { token: 'none', objects })
  if (answered.ok) return problem('BAD_ANSWER', 'A token that is none was taken.')
  return answered.problem.code === 'CONTENT_TOKEN_REFUSED' ? undefined : answered.problem
}

async function checkObject(
  asker: Asker,
  { contentId, layout }: ContentGrant,
  { hop, token, point }: { hop: string; token: string; point?: CloudPointId },
): Promise<Hop> {
  const address = await addressOf(asker, { contentId, hash: layout.hash, token, point })
  if ('problem' in address) return failedHop(hop, address.problem)
  const wanted = Math.min(RANGE_BYTES, layout.sizeBytes)
  const got = await asker.object(address.url, `bytes=0-${wanted - 1}`)
  if (!got.ok) {
    // Whose address it is says who is not there.
    const away = got.problem.code === 'UNREACHABLE' && point !== undefined
    return failedHop(hop, away ? problem('STORAGE_UNAVAILABLE', got.problem.detail) : got.problem)
  }
  const { status, headers, body } = got.value
  const range = `bytes 0-${wanted - 1}/${layout.sizeBytes}`
  if (status !== 206 || headers['content-range'] !== range || body.length !== wanted)
    return failedHop(
      hop,
      problem('BAD_ANSWER', `${address.url.host}: ${status} with ${body.length} bytes of ${wanted}.`),
    )
  return passedHop(hop, `a signed address at ${address.url.host} gives the ${wanted} bytes asked for`)
}

async function addressOf(
  asker: Asker,
  order: { contentId: ContentId; hash: Sha256; token: string; point: CloudPointId | undefined },
): Promise<{ url: URL } | { problem: Problem }> {
  const { contentId, hash, token, point } = order
  const answered = await asker.device(
    'contentUrls',
    {},
    { token, ...(point === undefined ? {} : { point }), objects: [{ contentId, kind: 'page', hash }] },
  )
  if (!answered.ok) return { problem: answered.problem }
  const [object] = ContentUrlsAnswer.safeParse(parsed(answered.value.body)).data?.objects ?? []
  if (object === undefined) return { problem: problem('BAD_ANSWER', 'There is no address in the answer.') }
  return 'problem' in object ? { problem: known(object.problem) } : { url: new URL(object.url) }
}

/** A problem that stood inside an answer: its code may be of a newer version. */
const known = (said: ContentTokenAnswer['refused'][number]['problem']): Problem => readProblem(said, 403)
