/** What is said of sources that fail: each reason once, until the source works again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ContentId, GatewayId, type Problem, problem } from '@sluice/protocol'
import { createSources, describeSource } from './sources.ts'

const contentId = ContentId.parse('a'.repeat(64))
const gatewayId = GatewayId.parse('gw_0000000000')
const only = { kind: 'gateway', id: gatewayId, name: 'edge' } as const
const brokeOff = problem('CONTENT_SOURCE_FAILED', 'broke off')
const away = problem('UNREACHABLE', 'refused')

/** A content that only one gateway has, on a clock that stands still until it is moved. */
function openSources(passedOver: { name: string; problem: Problem }[] = []) {
  const said: string[] = []
  let atMs = 1_000
  const sources = createSources(
    (news) => said.push(describeSource(news)),
    () => atMs,
  )
  const pass = (ms: number) => {
    atMs += ms
  }
  const grant = { contentId, sources: [{ gatewayId, name: 'edge' }], points: [], passedOver } as never
  sources.order(grant)
  return { sources, said, ask: () => sources.order(grant), pass }
}

const passedOver = ({ code, detail }: Problem) => `Source passed over: edge: ${code}: ${detail}`

test('ten streams of the only source fail again and again: each reason is said once', () => {
  const { sources, said, pass } = openSources()
  for (let tries = 0; tries < 10; tries++) {
    for (let stream = 0; stream < 10; stream++) sources.failed(contentId, only, tries === 0 ? brokeOff : away)
    pass(30_000)
  }
  assert.deepEqual(said, [passedOver(brokeOff), passedOver(away)])
})

test('it works again and then fails again: that is said again', () => {
  const { sources, said, pass } = openSources()
  sources.failed(contentId, only, away)
  pass(10_000)
  sources.worked(contentId, only)
  sources.failed(contentId, only, away)
  sources.failed(contentId, only, away)
  assert.deepEqual(said, [passedOver(away), passedOver(away)])
})

test('some streams fail while others go on: that is one failure', () => {
  const { sources, said, pass } = openSources()
  for (let tries = 0; tries < 100; tries++) {
    sources.failed(contentId, only, brokeOff)
    pass(1_000)
    sources.worked(contentId, only)
  }
  assert.deepEqual(said, [passedOver(brokeOff)])
})

test('an address that was given is no sign of work, and another content is another matter', () => {
  const { sources, said, pass } = openSources()
  sources.failed(contentId, only, away)
  pass(10_000)
  sources.chose(contentId, only)
  sources.worked(ContentId.parse('b'.repeat(64)), only)
  sources.failed(contentId, only, away)
  assert.deepEqual(said, [passedOver(away), 'Source: gateway edge, 1 of 1 in order.'])
})

test('what the site passed over is said once, however often addresses are asked for', () => {
  const { said, ask } = openSources([{ name: 'cloud', problem: problem('CONTENT_NOT_DISTRIBUTED', 'not there') }])
  ask()
  ask()
  assert.deepEqual(said, ['Source passed over: cloud: CONTENT_NOT_DISTRIBUTED: not there'])
})
