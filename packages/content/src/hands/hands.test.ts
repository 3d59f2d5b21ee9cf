import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createHands } from './hands.ts'

test('threads are let go in the middle of anything, and the process lives on', async () => {
  for (let round = 0; round < 12; round++) {
    const hands = createHands(2)
    const sealing = Array.from({ length: 40 }, () =>
      hands.do('seal', { plain: new ArrayBuffer(20_000), salt: Buffer.alloc(32), level: 1 }).then(
        () => 'sealed',
        (error: Error) => error.message,
      ),
    )
    await Promise.race([sealing[round], delay(500)])
    await hands.letGo()
    const said = new Set(await Promise.all(sealing))
    for (const one of said) assert.match(one, /^sealed$|were let go/)
    await assert.rejects(hands.do('cut', { bytes: new ArrayBuffer(1), sizeBytes: 1, last: true }), /were let go/)
  }
})
