/** Objects come from the site into the folder of the gateway: whole, verified, or not at all. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { constants } from 'node:http2'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { StoredObject } from '@sluice/protocol'
import { createWorld, sha256, until, type World } from '../testing/gateway-world.ts'

describe('keeping contents', () => {
  let world: World
  let time: number
  beforeEach(async () => {
    time = Date.now()
    world = await createWorld({ now: () => time })
  })
  afterEach(() => world.close())

  const fileOf = ({ kind, hash }: { kind: string; hash: string }) =>
    join(world.folder, 'data', 'objects', `${kind}s`, hash.slice(0, 2), hash)
  const published = async (): Promise<string[]> => {
    const entries = await readdir(join(world.folder, 'data', 'objects'), { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.isFile() && /^[0-9a-f]{64}$/.test(entry.name)).map(({ name }) => name)
  }
  const some = (size: number, kind: 'pack' | 'page' = 'pack') => ({ kind, bytes: randomBytes(size) })

  test('everything listed is pulled, and the site hears how far it is', async () => {
    const first = world.addContent(some(300_000), some(2_000, 'page'), some(5_000, 'page'))
    const second = world.addContent(some(1_000_000))
    await world.startLinked()
    await world.reported(first.contentId, 'present')
    await world.reported(second.contentId, 'present')
    for (const object of [...first.objects, ...second.objects])
      assert.equal(sha256(await readFile(fileOf(object))), object.hash)
    const last = world.site.contentReports.findLast(({ contentId }) => contentId === first.contentId)
    assert.deepEqual([last?.presentBytes, last?.totalBytes], [307_000, 307_000])
  })

  test('what two contents share is pulled once', async () => {
    const shared = some(10_000)
    const first = world.addContent(shared, some(100))
    const second = world.addContent(shared, some(200))
    await world.startLinked()
    await world.reported(first.contentId, 'present')
    await world.reported(second.contentId, 'present')
    assert.equal(world.site.pulled.length, 3)
  })

  test('wrong bytes are never published; the site hears why, and right ones are taken later', async () => {
    const right = some(200_000)
    const { contentId, objects } = world.addContent(right)
    const [pack] = objects as [StoredObject]
    const flipped = Buffer.from(right.bytes)
    flipped[100_000] = (flipped[100_000] ?? 0) ^ 1
    world.site.objects.set(`pack/${pack.hash}`, flipped)
    await world.startLinked()
    await world.reported(contentId, 'failed')
    const failed = world.site.contentReports.find(({ state }) => state === 'failed')
    assert.equal(failed?.problem?.code, 'CONTENT_CORRUPT')
    assert.equal(failed?.presentBytes, 0)
    assert.deepEqual(await published(), [])

    world.site.objects.set(`pack/${pack.hash}`, right.bytes)
    await world.reported(contentId, 'present')
    assert.deepEqual(await published(), [pack.hash])
  })

  for (const [what, wrong] of Object.entries({
    'too long': (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('x')]),
    'cut short': (bytes: Buffer) => bytes.subarray(0, bytes.length - 1),
    'of another object': () => randomBytes(5_000),
    empty: () => Buffer.alloc(0),
  }))
    test(`bytes that are ${what} are not published`, async () => {
      const right = some(5_000)
      const { contentId, objects } = world.addContent(right)
      world.site.objects.set(`pack/${objects[0]?.hash}`, wrong(right.bytes))
      await world.startLinked()
      await world.reported(contentId, 'failed')
      assert.deepEqual(await published(), [])
    })

  test('an object that the site lacks as well is said to be gone', async () => {
    const { contentId, objects } = world.addContent(some(5_000))
    world.site.objects.delete(`pack/${objects[0]?.hash}`)
    await world.startLinked()
    await world.reported(contentId, 'failed')
    assert.equal(world.site.contentReports.find(({ state }) => state === 'failed')?.problem?.code, 'PACK_GONE')
  })

  test('a transfer that breaks off goes on where it was', async () => {
    const pack = some(3_000_000)
    const { contentId, objects } = world.addContent(pack)
    let breaks = 2
    world.site.onObject = (_name, start, stream) => {
      if (breaks-- <= 0) return false
      stream.respond({ ':status': start > 0 ? 206 : 200, 'content-length': pack.bytes.length - start })
      stream.write(pack.bytes.subarray(start, start + 1_000_000), () => stream.close(constants.NGHTTP2_INTERNAL_ERROR))
      return true
    }
    await world.startLinked()
    await world.reported(contentId, 'present')
    assert.equal(sha256(await readFile(fileOf(objects[0] as StoredObject))), objects[0]?.hash)
    const starts = world.site.pulled.map((text) => Number(text.split('@')[1]))
    assert.equal(starts.length, 3)
    assert.ok((starts[0] ?? -1) === 0 && (starts[1] ?? 0) > 0 && (starts[2] ?? 0) > (starts[1] ?? 0), starts.join())
  })

  test('a cut of the link costs what was under way and not what had come', async () => {
    const pack = some(2_000_000)
    const { contentId } = world.addContent(pack)
    let stalled = false
    world.site.onObject = (_name, _start, stream) => {
      if (stalled) return false
      stalled = true
      stream.respond({ ':status': 200, 'content-length': pack.bytes.length })
      stream.write(pack.bytes.subarray(0, 1_000_000))
      return true
    }
    const { ports } = await world.startLinked()
    const partial = join(world.folder, 'data', 'objects', 'partial')
    await until(() => readdirSync(partial).some((name) => statSync(join(partial, name)).size > 0), 'the first bytes')
    world.site.cut()
    await world.logs('link.ended', 2)
    await world.site.connect(ports.link)
    await world.reported(contentId, 'present')
    assert.ok(Number(world.site.pulled[1]?.split('@')[1]) > 0, world.site.pulled.join())
  })

  test('a content that the site no longer lists goes, after a while; what others need stays', async () => {
    const shared = some(1_000)
    const gone = world.addContent(shared, some(2_000))
    const stays = world.addContent(shared, some(3_000))
    await world.startLinked({ unreferencedGraceMs: 60_000 })
    await world.reported(gone.contentId, 'present')
    await world.reported(stays.contentId, 'present')
    assert.equal((await published()).length, 3)

    world.site.contents = world.site.contents.filter(({ content }) => content.contentId !== gone.contentId)
    world.site.say({ kind: 'contentsChanged' })
    // A list of its own shows that the first was read.
    const marker = world.addContent(some(10))
    world.site.say({ kind: 'contentsChanged' })
    await world.reported(marker.contentId, 'present')
    assert.equal((await published()).length, 4)

    time += 60_001
    world.site.say({ kind: 'contentsChanged' })
    await world.logs('content.removed')
    assert.deepEqual(
      new Set(await published()),
      new Set([...stays.objects, ...marker.objects].map(({ hash }) => hash as string)),
    )
  })

  test('a new revision of a content is read, and only what it adds is pulled', async () => {
    const first = some(1_000)
    const { contentId } = world.addContent(first)
    await world.startLinked()
    await world.reported(contentId, 'present')
    const added = some(2_000)
    const hash = sha256(added.bytes)
    const [entry] = world.site.contents
    assert.ok(entry)
    entry.objects = [...entry.objects, { kind: 'pack', hash, sizeBytes: 2_000 }]
    entry.content = { ...entry.content, revision: 2, objectCount: 2, totalBytes: 3_000 }
    world.site.objects.set(`pack/${hash}`, added.bytes)
    world.site.say({ kind: 'contentsChanged' })
    await until(
      () => world.site.contentReports.some(({ revision, state }) => revision === 2 && state === 'present'),
      'revision 2',
    )
    assert.equal(world.site.pulled.length, 2)
  })

  test('a restart pulls nothing again, and finds what rotted when told to look', async () => {
    const pack = some(100_000)
    const { contentId, objects } = world.addContent(pack, some(1_000, 'page'))
    await world.startLinked()
    await world.reported(contentId, 'present')
    await world.stop()

    await world.startLinked()
    await until(() => world.site.contentReports.filter(({ state }) => state === 'present').length > 1, 'the report')
    assert.equal(world.site.pulled.length, 2)
    await world.stop()

    const file = fileOf(objects[0] as StoredObject)
    const rotten = await readFile(file)
    rotten[5] = (rotten[5] ?? 0) ^ 0x40
    await writeFile(file, rotten)
    const heard = world.site.contentReports.length
    await world.startLinked({ scanAtStart: true })
    await world.logs('content.corrupt')
    await until(() => world.site.contentReports.slice(heard).some(({ state }) => state === 'present'), 'the report')
    assert.equal(world.site.pulled.length, 3)
    assert.equal(sha256(await readFile(file)), objects[0]?.hash)
  })

  test('on the order to verify, what rotted and what is lost is pulled again, and nothing else', async () => {
    const { contentId, objects } = world.addContent(some(200_000), some(5_000), some(1_000, 'page'))
    const other = world.addContent(some(3_000))
    const [rotten, lost] = objects as [StoredObject, StoredObject]
    await world.startLinked()
    await world.reported(contentId, 'present')
    await world.reported(other.contentId, 'present')
    const bytes = await readFile(fileOf(rotten))
    bytes[100_000] = (bytes[100_000] ?? 0) ^ 0x40
    await writeFile(fileOf(rotten), bytes)
    await rm(fileOf(lost))

    const order = async (verify: number) => {
      world.site.contents = world.site.contents.map((listed) =>
        listed.content.contentId === contentId ? { ...listed, content: { ...listed.content, verify } } : listed,
      )
      world.site.pulled.length = 0
      world.site.say({ kind: 'contentsChanged' })
      await until(
        () => world.site.contentReports.some((report) => report.state === 'present' && report.verified === verify),
        'the report that answers the order',
      )
    }
    await order(1)
    assert.deepEqual(
      world.site.pulled.map((name) => name.split('@')[0]).sort(),
      [rotten, lost].map(({ hash }) => `pack/${hash}`).sort(),
    )
    for (const object of objects) assert.equal(sha256(await readFile(fileOf(object))), object.hash)
    await order(2)
    assert.deepEqual(world.site.pulled, [])
  })

  test('not more at once than allowed', async () => {
    let underWay = 0
    let most = 0
    world.site.onObject = (name, _start, stream) => {
      most = Math.max(most, ++underWay)
      const bytes = world.site.objects.get(name) ?? Buffer.alloc(0)
      stream.respond({ ':status': 200, 'content-length': bytes.length })
      stream.once('close', () => {
        underWay--
      })
      setTimeout(() => stream.end(bytes), 5)
      return true
    }
    const { contentId } = world.addContent(...Array.from({ length: 20 }, () => some(500)))
    await world.startLinked({ limits: { pulls: 3 } })
    await world.reported(contentId, 'present')
    assert.equal(most, 3)
  })
})
