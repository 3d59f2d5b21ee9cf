/**
 * A power cut in the middle of a download. The device lives on an ext4 of its own in a loop device; the cut
 * is a copy of what lies below that file system at the moment of the kill. What was not flushed is only in
 * the memory of the kernel and not in the copy, as it would not be on a disk. The copy is then mounted, its
 * journal replayed, and the download goes on there.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once as event } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { missing, seededBytes } from '@sluice/content/testing'
import { entryIdOf } from '../cache/entry.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { startTestLine } from './testing/test-line.ts'

const MiB = 1024 * 1024
const DEVICES = process.env.SLUICE_SOAK === '1' ? 15 : 1
const CUTS = 2
const CONTENT_BYTES = 192 * MiB
/** What a power cut may cost, and what four streams may have in flight. */
const MOST_LOST_BYTES = 64 * MiB + 4 * MiB
/** What comes before a cut, at least: a device that kept nothing would lose more than it may. */
const BEFORE_CUT_BYTES = 72 * MiB
const script = fileURLToPath(new URL('./testing/download-child.ts', import.meta.url))

test(`${DEVICES * CUTS} power cuts in the middle: right bytes, and at most 64 MiB come again`, {
  timeout: 1_800_000,
}, async (t) => {
  if (process.getuid?.() !== 0) return missing(t, 'only root may mount a file system')
  if (spawnSync('mkfs.ext4', ['-V']).error !== undefined || !existsSync('/dev/loop-control'))
    return missing(t, 'mkfs.ext4 and loop devices are needed')
  const line = await startTestLine(t)
  const bytes = seededBytes('power cut', CONTENT_BYTES)
  const pack = await line.add('ABC00001', { 'folder/big.bin': bytes })
  const entry = entryIdOf(pack.policy.contentId)
  const device = join(line.folder, 'device')
  mkdirSync(device)
  using disk = mounting(device)
  const path = join(line.folder, 'order.json')
  writeFileSync(path, JSON.stringify(line.order([pack])))
  const start = () => spawn(process.execPath, [script, path], { stdio: ['ignore', 'ignore', 'inherit'] })
  const random = seededRandom(11)
  const { served } = line.contents

  for (let number = 0; number < DEVICES; number++) {
    let image = emptyDisk(join(line.folder, `disk-${number}`))
    const before = served.packBytes
    // So that what was sent was also received, and does not wait in a socket.
    line.contents.bytesPerSecond = 12 * MiB
    for (let cut = 0; cut < CUTS; cut++) {
      disk.mount(image)
      const child = start()
      const until = served.packBytes + BEFORE_CUT_BYTES + random() * 16 * MiB
      const timer = setInterval(() => {
        if (served.packBytes > until) child.kill('SIGKILL')
      }, 1)
      const [, signal] = (await event(child, 'exit')) as [number | null, string | null]
      clearInterval(timer)
      assert.equal(signal, 'SIGKILL', `cut ${cut} came after the end`)
      const after = join(line.folder, `disk-${number}-${cut}`)
      execFileSync('cp', ['--sparse=always', image, after])
      disk.unmount()
      rmSync(image)
      image = after
    }
    line.contents.bytesPerSecond = undefined
    disk.mount(image)
    const [code] = (await event(start(), 'exit')) as [number | null]
    assert.equal(code, 0)
    assert.ok(readFileSync(join(device, 'cache', 'contents', entry, 'folder/big.bin')).equals(bytes))
    disk.unmount()
    rmSync(image)
    const again = served.packBytes - before - pack.policy.storedBytes
    t.diagnostic(`device ${number}: ${(again / CUTS / MiB).toFixed(1)} MiB a cut`)
    assert.ok(again <= CUTS * MOST_LOST_BYTES, `device ${number}: ${again} bytes came again`)
  }
})

function emptyDisk(image: string): string {
  writeFileSync(image, '')
  execFileSync('truncate', ['-s', '600M', image])
  execFileSync('mkfs.ext4', ['-q', image])
  return image
}

/** One at a time; unmounted in the end, before the folder goes. */
function mounting(place: string) {
  let mounted = false
  const unmount = () => {
    if (mounted) execFileSync('umount', ['--lazy', place])
    mounted = false
  }
  return {
    unmount,
    [Symbol.dispose]: unmount,
    mount(image: string) {
      execFileSync('mount', ['-o', 'loop', image, place])
      mounted = true
    },
  }
}
