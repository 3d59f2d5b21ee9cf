/** What a gateway remembers of a content whose list changed. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLog, GatewayContent, Sha256, type StoredObject } from '@sluice/protocol'
import { objectKey, openContents } from './contents.ts'

const object = (digit: string): StoredObject => ({ kind: 'pack', hash: Sha256.parse(digit.repeat(64)), sizeBytes: 1 })
const content = (revision: number) =>
  GatewayContent.parse({
    ...{ contentId: 'c'.repeat(64), packageId: 'ABC00001', revision },
    ...{ objectCount: 2, totalBytes: 2 },
  })

test('objects of earlier lists stay known by name, also after a restart, until a list names them again', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-contents-'))
  t.after(() => rm(folder, { recursive: true }))
  const open = () => openContents(folder, [], createLog(assert.fail))
  const former = (contents: Awaited<ReturnType<typeof open>>) => [...(contents.get(content(1).contentId)?.former ?? [])]

  const first = await open()
  await first.put(content(1), [object('1'), object('2')])
  assert.deepEqual(former(first), [])
  await first.put(content(2), [object('2'), object('3')])
  await first.put(content(3), [object('4'), object('3')])
  assert.deepEqual(former(first), [object('1'), object('2')].map(objectKey))

  const again = await open()
  assert.deepEqual(former(again), [object('1'), object('2')].map(objectKey))
  await again.put(content(4), [object('1'), object('4')])
  assert.deepEqual(former(again), [object('2'), object('3')].map(objectKey))
})
