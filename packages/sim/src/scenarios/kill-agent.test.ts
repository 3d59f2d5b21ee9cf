/**
 * `kill -9` of the agent at random moments of a run of twenty steps with two restarts: the run ends
 * in success, no step runs twice, none is lost, all in order, and nothing verified is fetched again
 * beyond what was in flight.
 */
import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { must } from '../administrator.ts'
import { killAgent } from '../device/processes.ts'
import { seededRandom } from '../seeded-random.ts'
import { until } from '../until.ts'
import { contentEffect } from './content-bytes.ts'
import { repetitions } from './repetitions.ts'
import { contentStep, effectStep, restartStep, startWorld } from './world.ts'

const MiB = 1024 * 1024
const PACKAGE_BYTES = 6 * MiB
/** What a kill may cost: the ranges that are in flight, and what the kernel and the wire hold of them. */
const IN_FLIGHT_BYTES = 8 * MiB

const steps = [
  ...[1, 2, 3, 4, 5].map((n) => effectStep(`a${n}`, 0.1)),
  contentStep(1),
  restartStep('first restart'),
  ...[1, 2, 3, 4].map((n) => effectStep(`b${n}`, 0.1)),
  contentStep(2),
  contentStep(3),
  restartStep('second restart'),
  contentStep(4),
  ...[1, 2, 3, 4, 5].map((n) => effectStep(`c${n}`, 0.1)),
].join('')

const expected = [
  ...['a1', 'a2', 'a3', 'a4', 'a5'],
  contentEffect(1, PACKAGE_BYTES),
  ...['b1', 'b2', 'b3', 'b4'],
  contentEffect(2, PACKAGE_BYTES),
  contentEffect(3, PACKAGE_BYTES),
  contentEffect(4, PACKAGE_BYTES),
  ...['c1', 'c2', 'c3', 'c4', 'c5'],
]

const kills = repetitions(10, 200)

test(`${kills} kills of the agent: every step once, in order, and right bytes`, async (t) => {
  const seed = Number(process.env.SLUICE_SEED ?? Math.floor(Math.random() * 2 ** 31))
  t.diagnostic(`seed ${seed}`)
  const random = seededRandom(seed)
  let done = 0
  // A run has room for a number of kills; the soak takes as many runs as it needs.
  while (done < kills) {
    await using round = new AsyncDisposableStack()
    const world = await startWorld({
      resources: round,
      steps,
      packages: 4,
      packageBytes: PACKAGE_BYTES,
      bytesPerSecond: 4 * MiB,
    })
    const configuration = join(dirname(world.device.stateFolder), 'agent.json')
    await world.install()
    let over = false
    const report = world.finished().finally(() => {
      over = true
    })
    const before = done
    while (!over && done < kills && done - before < 25) {
      await sleep(50 + random() * 1_500)
      if (!over) done += await killAgent(configuration)
    }
    const { result, restarts, neededBytes, steps: reported } = await report
    assert.equal(result, 'success', `after ${done - before} kills`)
    assert.deepEqual(await world.effects(), expected)
    assert.equal(restarts, 2)
    assert.deepEqual(
      reported.map(({ outcome }) => outcome),
      Array.from({ length: 20 }, () => 'succeeded'),
    )
    const served = await settledPackBytes(world)
    const killed = done - before
    t.diagnostic(`${killed} kills: ${served} bytes served, ${neededBytes} needed`)
    assert.ok(
      served <= neededBytes + killed * IN_FLIGHT_BYTES,
      `${killed} kills: ${served} served for ${neededBytes} needed`,
    )
  }
})

/** The gateway's own counter, once it has reported. */
async function settledPackBytes({ line }: Awaited<ReturnType<typeof startWorld>>): Promise<number> {
  let last = -1
  let same = 0
  return until(async () => {
    const now = must(await line.admin.call('gateways'))[0]?.packBytesServed ?? 0
    same = now === last && now > 0 ? same + 1 : 0
    last = now
    await sleep(400)
    return same >= 8 ? now : undefined
  }, 'the figures of the gateway')
}
