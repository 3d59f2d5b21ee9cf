import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once as event } from 'node:events'
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { missing, seededBytes } from '@sluice/content/testing'
import { problem } from '@sluice/protocol'
import { entryIdOf } from '../cache/entry.ts'
import { createTestContents, type TestFile, type TestPackage } from '../download/testing/test-contents.ts'
import { never, once, openTestRun, silent, type TestRunOrder } from '../download/testing/test-run.ts'
import { bytesOnTheWire } from '../testing/on-the-wire.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { createTestAuthority } from '../testing/test-authority.ts'
import { testCertificate } from '../testing/test-device.ts'
import { startTestGateway } from '../testing/test-gateway.ts'
import { until } from '../testing/until.ts'

const MiB = 1024 * 1024
const soak = process.env.SLUICE_SOAK === '1'
const KILLS = soak ? 200 : 10
/**
 * Of four streams: the frame that each is receiving, and three that wait to be written, of 512 KiB or a little
 * more. Less than what mostly comes between two kills, so that a device that begins anew is found out.
 */
const IN_FLIGHT_BYTES = 5 * MiB
const KILLED_BYTES = soak ? 1024 * MiB : 64 * MiB
const pem = { type: 'pkcs8', format: 'pem' } as const

/** A device, a gateway, and a package with these files; a second one with few. */
async function line(t: TestContext, files: Record<string, TestFile>, changes: Partial<TestRunOrder> = {}) {
  const folder = temporaryFolder(t)
  const gateway = await startTestGateway(t)
  const identity = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const { privateKey: seal, publicKey: sealPublic } = generateKeyPairSync('x25519')
  const contents = await createTestContents(join(folder, 'site'))
  contents.serve(gateway, () => sealPublic)
  const pack = await contents.add('ABC00001', files)
  const other = await contents.add('ABC00002', { 'other.bin': seededBytes('other', MiB) })
  const order: TestRunOrder = {
    folder: join(folder, 'device'),
    gateway: { address: gateway.address, authority: { certificate: gateway.authority.certificate } },
    credentials: {
      key: identity.export(pem).toString(),
      certificate: testCertificate(createTestAuthority(), identity),
    },
    sealKey: seal.export(pem).toString(),
    packages: [pack, other].map(({ policy, root }) => ({ policy, root: root.toString('base64') })),
    ...changes,
  }
  const open = async () => {
    const run = await openTestRun(order)
    t.after(() => run.stop())
    return run
  }
  return { folder, gateway, contents, pack, other, order, open }
}

/** Entries that fill more than a page of a manifest. */
const fillers = Object.fromEntries(
  Array.from({ length: 100 }, (_, i) => [`filler/${i}`, { link: `to/${'x'.repeat(4_000)}` }]),
)

test('a chunk that two pages lack at the same time comes once', async (t) => {
  const twice = seededBytes('twice', MiB)
  const { contents, pack, open } = await line(t, { 'a.bin': twice, ...fillers, 'z.bin': twice })
  contents.bytesPerSecond = MiB / 2
  const got = await acquire(await open(), pack)
  assert.ok(got.ok, JSON.stringify(got))
  assert.equal(got.value.fetchedBytes, pack.policy.storedBytes)
  for (const name of ['a.bin', 'z.bin']) assert.deepEqual(readFileSync(join(got.value.folder, name)), twice)
})

const acquire = (run: Awaited<ReturnType<typeof openTestRun>>, pack: TestPackage, events = silent) =>
  run.contents.acquire({ packageId: pack.policy.id, retry: once }, never, events)

const big = { 'big.bin': seededBytes('big', 6 * MiB), 'small.txt': 'small\n' }

test('a package comes as it was imported, in few long reads, and every byte is counted once', async (t) => {
  const files = {
    'bin/setup': { executable: '#!/bin/sh\n' },
    'bin/alias': { link: 'setup' },
    'data/one.bin': seededBytes('one', 3 * MiB),
    'data/again.bin': seededBytes('one', 3 * MiB),
    'empty.txt': '',
    ...Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`many/${i}.txt`, `file ${i}\n`.repeat(i)])),
  }
  const { contents, pack, open } = await line(t, files)
  const run = await open()
  const got = await acquire(run, pack)
  assert.ok(got.ok, JSON.stringify(got))
  const { folder, neededBytes, fetchedBytes } = got.value
  assert.deepEqual(readFileSync(join(folder, 'data/again.bin')), seededBytes('one', 3 * MiB))
  assert.equal(readFileSync(join(folder, 'many/7.txt'), 'utf8'), 'file 7\n'.repeat(7))
  assert.equal(readFileSync(join(folder, 'empty.txt'), 'utf8'), '')
  assert.equal(readlinkSync(join(folder, 'bin/alias')), 'setup')
  assert.equal(lstatSync(join(folder, 'bin/setup')).mode & 0o777, 0o555)
  assert.equal(lstatSync(join(folder, 'data/one.bin')).mode & 0o777, 0o444)

  assert.equal(neededBytes, pack.policy.storedBytes)
  assert.equal(fetchedBytes, neededBytes)
  assert.equal(fetchedBytes, contents.served.packBytes)
  assert.equal(run.contents.bytes(pack.policy.id).metadataBytes, contents.served.pageBytes + pack.root.length)
  assert.ok(contents.served.objects.filter(({ kind }) => kind === 'pack').length <= 8)
  assert.equal(contents.served.tokens, 1)

  const asked = contents.served.objects.length
  const again = await acquire(run, pack)
  assert.deepEqual(again, got)
  assert.equal(contents.served.objects.length, asked, 'nothing was asked for again')
})

test('what a step changed in its folder is mended before the next one gets it', async (t) => {
  const { contents, pack, open } = await line(t, big)
  const run = await open()
  const first = await acquire(run, pack)
  assert.ok(first.ok)
  const path = join(first.value.folder, 'big.bin')
  chmodSync(path, 0o644)
  const bytes = readFileSync(path)
  bytes[3 * MiB] = (bytes[3 * MiB] ?? 0) ^ 1
  writeFileSync(path, bytes)
  writeFileSync(join(first.value.folder, 'left-behind.log'), 'a step wrote this\n')
  const before = contents.served.packBytes
  const second = await acquire(run, pack)
  assert.ok(second.ok)
  assert.deepEqual(readFileSync(path), big['big.bin'])
  assert.deepEqual(readdirSync(first.value.folder).sort(), ['big.bin', 'small.txt'])
  assert.ok(contents.served.packBytes - before <= MiB, 'one frame')
})

test('a gateway that is away in the middle is waited for; nothing that was right comes again', async (t) => {
  const { gateway, contents, pack, open } = await line(t, big)
  const run = await open()
  contents.bytesPerSecond = 4 * MiB
  const waits: (string | undefined)[] = []
  const got = acquire(run, pack, { ...silent, onWaiting: (reason) => waits.push(reason?.code) })
  await until('some bytes came', () => contents.served.packBytes > MiB)
  await gateway.stop()
  await until('it waits', () => waits.length > 0)
  await gateway.listen()
  contents.bytesPerSecond = undefined
  const done = await got
  assert.ok(done.ok, JSON.stringify(done))
  assert.deepEqual(readFileSync(join(done.value.folder, 'big.bin')), big['big.bin'])
  assert.equal(done.value.neededBytes, pack.policy.storedBytes)
  assert.equal(waits.at(-1), undefined, 'and it says that it goes on')
})

test('a source that stays away ends the try when patience is over', async (t) => {
  const { gateway, pack, open } = await line(t, big, { limits: { noProgressMs: 300, maxPauseMs: 50 } })
  const run = await open()
  await gateway.stop()
  const got = await acquire(run, pack)
  assert.ok(!got.ok)
  assert.equal(got.problem.code, 'UNREACHABLE')
})

test('addresses and tokens that no longer hold are renewed', async (t) => {
  const { contents, pack, open } = await line(t, big)
  const run = await open()
  let packs = 0
  contents.fault = ({ kind }) => {
    if (kind === 'pack' && ++packs === 1) {
      contents.revoke('addresses')
      contents.revoke('tokens')
      return (response) => response.destroy()
    }
    return undefined
  }
  const got = await acquire(run, pack)
  assert.ok(got.ok, JSON.stringify(got))
  assert.ok(contents.served.tokens >= 2)
})

test('a pack that is gone is found again through the new layout', async (t) => {
  const { contents, pack, open } = await line(t, big)
  const run = await open()
  let gone = false
  contents.fault = ({ kind }) => {
    if (kind !== 'pack' || gone) return undefined
    gone = true
    return (response) => {
      contents.repack(pack).then(
        () => response.writeHead(410).end(JSON.stringify(problem('PACK_GONE', 'repacked'))),
        () => response.destroy(),
      )
    }
  }
  const got = await acquire(run, pack)
  assert.ok(got.ok, JSON.stringify(got))
  assert.deepEqual(readFileSync(join(got.value.folder, 'big.bin')), big['big.bin'])
})

test('one changed byte in storage: the step fails after some tries, and nothing of the chunk is visible', async (t) => {
  const { contents, pack, order, open } = await line(t, big)
  const run = await open()
  const [packObject] = pack.imported.objects.filter(({ kind }) => kind === 'pack')
  assert.ok(packObject !== undefined)
  flipByte(join(order.folder, '..', 'site', 'objects'), packObject.hash, 4 * MiB)
  const got = await acquire(run, pack)
  assert.ok(!got.ok)
  assert.equal(got.problem.code, 'CONTENT_CORRUPT')
  assert.match(got.problem.detail, /Package ABC00001 .* of pack [0-9a-f]{64} came wrong 3 times/)
  assert.ok(!existsSync(run.cache.folderOf(entryIdOf(pack.policy.contentId))))
  const { neededBytes, fetchedBytes } = run.contents.bytes(pack.policy.id)
  assert.ok(fetchedBytes - neededBytes < 5 * MiB, 'a frame each time, and what was in flight at the end')
  const incoming = readFileSync(join(run.cache.incomingOf(entryIdOf(pack.policy.contentId)), 'big.bin'))
  assert.ok(matches(incoming, big['big.bin']), 'what is there is right or not there')

  flipByte(join(order.folder, '..', 'site', 'objects'), packObject.hash, 4 * MiB)
  const before = contents.served.packBytes
  const mended = await acquire(run, pack)
  assert.ok(mended.ok)
  assert.ok(contents.served.packBytes - before < 5 * MiB, 'what was fetched is kept')
})

test(`${KILLS} kills in the middle: right bytes, and at most the frames in flight come again`, {
  timeout: soak ? 3_600_000 : 300_000,
}, async (t) => {
  const bytes = seededBytes('killed', KILLED_BYTES)
  const { folder, gateway, contents, pack, order } = await line(t, { 'big.bin': bytes })
  const entryId = entryIdOf(pack.policy.contentId)
  const path = join(folder, 'order.json')
  writeFileSync(path, JSON.stringify(order))
  const random = seededRandom(7)
  const script = fileURLToPath(new URL('../download/testing/download-child.ts', import.meta.url))
  const start = () => spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  contents.bytesPerSecond = 2 * MiB
  const port = Number(new URL(gateway.address.deviceUrl).port)
  const there = rightBytes(join(order.folder, 'cache', 'incoming', entryId, 'big.bin'), bytes)
  let lostBytes = 0
  /** Of these, what the device had received. */
  let receivedBytes = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const child = start()
    const until = contents.served.packBytes + (random() * 1.8 * KILLED_BYTES) / KILLS
    let onTheWire = 0
    const timer = setInterval(() => {
      if (contents.served.packBytes <= until) return
      child.kill('SIGSTOP')
      onTheWire = bytesOnTheWire(port)
      child.kill('SIGKILL')
      clearInterval(timer)
    }, 1)
    const [, signal] = await event(child, 'exit')
    clearInterval(timer)
    assert.equal(signal, 'SIGKILL', `kill ${kill} came after the end`)
    const lost = contents.served.packBytes - there()
    const received = lost - lostBytes - onTheWire
    assert.ok(received < IN_FLIGHT_BYTES, `kill ${kill}: ${received} bytes were received and are not there`)
    lostBytes = lost
    receivedBytes += received
  }
  t.diagnostic(`${(receivedBytes / KILLS / MiB).toFixed(2)} MiB a kill were received and are not there`)
  contents.bytesPerSecond = undefined
  const last = start()
  const [said] = await Promise.all([readAll(last.stdout), event(last, 'exit')])
  assert.equal(said, 'done\n')
  const run = await openTestRun(order)
  t.after(() => run.stop())
  assert.ok(readFileSync(join(run.cache.folderOf(entryId), 'big.bin')).equals(bytes))
  const again = contents.served.packBytes - pack.policy.storedBytes
  assert.ok(again <= lostBytes + MiB, `${again} bytes came again, ${lostBytes} were lost`)
  // A frame that came twice would be counted twice; what the kill cut off is not counted.
  assert.ok(run.contents.bytes(pack.policy.id).neededBytes <= pack.policy.storedBytes)
})

test('a disk that is too small is said before the first byte; one that fills up, when it does', async (t) => {
  if (process.getuid?.() !== 0) return missing(t, 'only root may mount a small file system')
  const { contents, pack, order, open } = await line(t, { 'big.bin': seededBytes('big', 24 * MiB) })
  mkdirSync(join(order.folder, 'cache'), { recursive: true })
  const cache = join(order.folder, 'cache')
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', cache])
  const run = await open()
  try {
    const tooSmall = await acquire(run, pack)
    assert.ok(!tooSmall.ok)
    assert.equal(tooSmall.problem.code, 'NO_SPACE')
    assert.match(tooSmall.problem.detail, /58 MiB are needed in .*: \d+ MiB more/)
    assert.equal(contents.served.packBytes, 0)

    execFileSync('mount', ['-o', 'remount,size=64m', cache])
    contents.fault = ({ kind }) => {
      // Somebody else takes the space meanwhile.
      if (kind === 'pack' && !existsSync(join(cache, 'filler')))
        writeFileSync(join(cache, 'filler'), Buffer.alloc(52 * MiB))
      return undefined
    }
    const full = await acquire(run, pack)
    assert.ok(!full.ok)
    assert.equal(full.problem.code, 'NO_SPACE')
    rmSync(join(cache, 'filler'))
    contents.fault = undefined
    const done = await acquire(run, pack)
    assert.ok(done.ok, JSON.stringify(done))
  } finally {
    execFileSync('umount', ['--lazy', cache])
  }
})

/** Tells how much of a file that is being put together is there; what was right before is not read again. */
function rightBytes(path: string, wanted: Buffer): () => number {
  const step = 16_384
  const piece = Buffer.alloc(step)
  let missing = Array.from({ length: Math.ceil(wanted.length / step) }, (_, i) => i * step)
  return () => {
    if (!existsSync(path)) return 0
    const file = openSync(path, 'r')
    missing = missing.filter((at) => {
      const read = readSync(file, piece, 0, step, at)
      return !piece.subarray(0, read).equals(wanted.subarray(at, at + step))
    })
    closeSync(file)
    return Math.max(0, wanted.length - missing.length * step)
  }
}

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const piece of stream) text += piece
  return text
}

/** Flips a bit of the only object whose file is called so. */
function flipByte(store: string, hash: string, at: number): void {
  const found = readdirSync(store, { recursive: true, withFileTypes: true }).find((entry) => entry.name === hash)
  assert.ok(found !== undefined)
  const path = join(found.parentPath, found.name)
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  chmodSync(path, 0o600)
  writeFileSync(path, bytes)
}

/** Every byte is either as it must be or was never written. */
function matches(found: Buffer, wanted: Buffer): boolean {
  return found.every((byte, at) => byte === wanted[at] || byte === 0)
}
