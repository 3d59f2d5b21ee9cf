/** The last frames of a download come in stretches over several streams. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededBytes } from '@sluice/content/testing'
import type { ObjectRequest } from './testing/test-contents.ts'
import { startTestLine } from './testing/test-line.ts'
import { never, once, silent } from './testing/test-run.ts'

const KiB = 1024
const MiB = 1024 * KiB
const bytes = seededBytes('last', 8 * MiB)
/** Most frames are larger, and those of this content that are smaller are not alone in a range. */
const isStretch = ({ kind, start, end }: ObjectRequest) => kind === 'pack' && end - start < 220 * KiB

test('the last frames come over several streams at once, and nothing comes twice', async (t) => {
  const line = await startTestLine(t)
  const pack = await line.add('ABC00001', { 'some.bin': bytes })
  const run = await line.open([pack])
  line.contents.bytesPerSecond = 400 * KiB
  const got = await run.contents.acquire({ packageId: pack.policy.id, retry: once }, never, silent)
  assert.ok(got.ok, JSON.stringify(got))
  assert.deepEqual(readFileSync(join(got.value.folder, 'some.bin')), bytes)
  assert.equal(got.value.neededBytes, pack.policy.storedBytes)
  assert.equal(got.value.fetchedBytes, pack.policy.storedBytes)
  assert.ok(line.contents.served.objects.filter(isStretch).length > 4)
})

test('a stretch that comes wrong costs its frame once more, and one that breaks off itself', async (t) => {
  const line = await startTestLine(t)
  const pack = await line.add('ABC00001', { 'some.bin': bytes })
  const run = await line.open([pack], { limits: { maxPauseMs: 10 } })
  line.contents.bytesPerSecond = 400 * KiB
  let stretches = 0
  line.contents.fault = (asked) => {
    if (!isStretch(asked)) return undefined
    const { start, end, totalBytes } = asked
    const head = { 'content-range': `bytes ${start}-${end - 1}/${totalBytes}`, 'content-length': end - start }
    stretches += 1
    if (stretches === 1) return (response) => response.writeHead(206, head).end(Buffer.alloc(end - start))
    if (stretches !== 3) return undefined
    return (response) => {
      response.writeHead(206, head).write(Buffer.alloc(1000))
      setTimeout(() => response.destroy(), 10)
    }
  }
  const got = await run.contents.acquire({ packageId: pack.policy.id, retry: once }, never, silent)
  assert.ok(got.ok, JSON.stringify(got))
  assert.deepEqual(readFileSync(join(got.value.folder, 'some.bin')), bytes)
  assert.ok(stretches > 4)
  const { neededBytes, fetchedBytes } = got.value
  assert.equal(neededBytes, pack.policy.storedBytes)
  assert.ok(fetchedBytes > neededBytes && fetchedBytes - neededBytes <= 1.1 * MiB, `${fetchedBytes - neededBytes} more`)
})
