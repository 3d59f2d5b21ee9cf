import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CenterService, startCenterService } from '../../testing/center-service.ts'
import * as states from '../../testing/center-states.ts'
import { createCenterApi, StateUnreadable } from './center-api.ts'
import { type Live, type LiveState, listenLive } from './live.ts'
import { tokenInFragment } from './session.ts'

const offered = states.device([states.upgrade()])
const noPages = 'no pages are served here'

/** What the page reads out of its address. */
function sessionOf({ url }: CenterService) {
  const { origin, hash } = new URL(url)
  return { origin, token: tokenInFragment(hash) ?? '' }
}

/** Waits for a state of the connection. */
function become(live: LiveState, wanted: (now: Live) => boolean): Promise<Live> {
  return new Promise((resolve) => {
    const look = () => {
      if (!wanted(live.get())) return
      stop()
      resolve(live.get())
    }
    const stop = live.subscribe(look)
    look()
  })
}

/** Pauses of 1 ms, so that nothing depends on the clock; notes how long they should have been. */
function pauses() {
  const asked: number[] = []
  const wait = async (ms: number) => {
    asked.push(ms)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return { asked, wait }
}

test('states arrive as they change; a service that goes away leaves the last one, and is found again', async () => {
  await using service = await startCenterService(noPages, offered)
  using closing = { signal: new AbortController(), [Symbol.dispose]: () => closing.signal.abort() }
  const api = createCenterApi(sessionOf(service))
  const { asked, wait } = pauses()
  const live = listenLive({ states: api.states, wait, signal: closing.signal.signal })

  const first = await become(live, (now) => now.kind === 'live')
  assert.ok(first.kind === 'live' && first.state.items[0]?.state === 'available')

  service.show(states.device([states.upgrade({ state: 'installing' })], states.restarting()))
  await become(live, (now) => now.kind === 'live' && now.state.run?.phase === 'restarting')

  await service.stop()
  const lost = await become(live, (now) => now.kind === 'lost')
  assert.ok(lost.kind === 'lost' && lost.state?.run?.phase === 'restarting')
  while (asked.length < 6) await new Promise((resolve) => setTimeout(resolve, 1))
  assert.deepEqual(asked.slice(0, 6), [250, 500, 1000, 2000, 4000, 4000])

  service.show(states.device([states.upgrade({ state: 'installed' })]))
  await service.start()
  const back = await become(live, (now) => now.kind === 'live')
  assert.ok(back.kind === 'live' && back.state.items[0]?.state === 'installed')
})

test('a session that the service does not accept ends it', async () => {
  await using service = await startCenterService(noPages, offered)
  const api = createCenterApi({ token: 'another', origin: new URL(service.url).origin })
  const live = listenLive({ states: api.states, wait: pauses().wait, signal: new AbortController().signal })
  assert.deepEqual(await become(live, (now) => now.kind === 'ended'), { kind: 'ended', why: 'sessionRefused' })
})

test('a service of another version ends it too: the page must be loaded anew', async () => {
  const live = listenLive({
    // biome-ignore lint/correctness/useYield: it fails before its first value
    async *states() {
      throw new StateUnreadable()
    },
    wait: pauses().wait,
    signal: new AbortController().signal,
  })
  assert.deepEqual(await become(live, (now) => now.kind === 'ended'), { kind: 'ended', why: 'unreadable' })
})

test('a reader who looks again does not wait for the end of a pause', async () => {
  await using service = await startCenterService(noPages, offered)
  await service.stop()
  const closing = new AbortController()
  const api = createCenterApi(sessionOf(service))
  const live = listenLive({
    states: api.states,
    // A pause that only ends when it is broken off.
    wait: (_, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
    signal: closing.signal,
  })
  await become(live, (now) => now.kind === 'lost')
  await service.start()
  live.retryNow()
  await become(live, (now) => now.kind === 'live')
  closing.abort()
})

test('a service that keeps the connection but says nothing any more counts as lost', async () => {
  await using service = await startCenterService(noPages, offered)
  const closing = new AbortController()
  const api = createCenterApi({ ...sessionOf(service), silenceMs: 50 })
  const live = listenLive({ states: api.states, wait: pauses().wait, signal: closing.signal })
  await become(live, (now) => now.kind === 'live')
  const lost = await become(live, (now) => now.kind === 'lost')
  assert.ok(lost.kind === 'lost' && lost.state?.items.length === 1)
  closing.abort()
})

test('what the service refuses comes with its reason', async () => {
  await using service = await startCenterService(noPages, offered)
  const api = createCenterApi({ token: 'another', origin: new URL(service.url).origin })
  await assert.rejects(api.syncPolicy(), /SESSION_REFUSED/)
})
