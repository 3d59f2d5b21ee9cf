/**
 * What every store must do, whatever it is made of. A driver's test file calls `storeContract`
 * with a way to open an empty store; a driver is done when this passes.
 */
import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { ProblemError, problem, type Result } from '@sluice/protocol'
import { sha256 } from '../pack/hash.ts'
import type { ObjectName, Store } from '../stores/store.ts'
import { value } from './value.ts'

export interface StoreUnderTest {
  store: Store
  close(): Promise<void>
}

const pack = (bytes: Uint8Array): ObjectName => ({ kind: 'pack', hash: sha256(bytes) })

async function read(result: Result<{ body: Readable; totalBytes: number }>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of value(result).body) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

async function listed(store: Store): Promise<string[]> {
  const hashes: string[] = []
  for (const kind of ['pack', 'page'] as const) for await (const object of store.list(kind)) hashes.push(object.hash)
  return hashes.sort()
}

/** Registers the tests of the contract. `open` gives an empty store, `close` of which leaves nothing behind. */
export function storeContract(what: string, open: () => Promise<StoreUnderTest>): void {
  const check = (name: string, body: (store: Store) => Promise<void>) =>
    test(`${what}: ${name}`, async () => {
      const opened = await open()
      try {
        await body(opened.store)
      } finally {
        await opened.close()
      }
    })
  const big = randomFillSync(Buffer.alloc(3_000_001))

  check('gives back what was put, from memory and from a stream', async (store) => {
    const small = Buffer.from('small')
    deepEqual(value(await store.put(pack(small), small)), { existed: false })
    deepEqual(value(await store.put(pack(big), Readable.from([big.subarray(0, 1), big.subarray(1)]))), {
      existed: false,
    })
    deepEqual(await read(await store.get(pack(small))), small)
    deepEqual(await read(await store.get(pack(big))), big)
    const first = value(await store.get(pack(big), { start: 0, end: 1 }))
    equal(first.totalBytes, big.length)
    first.body.destroy()
  })

  check('puts only what is absent', async (store) => {
    value(await store.put(pack(big), big))
    deepEqual(value(await store.put(pack(big), Readable.from([big]))), { existed: true })
    deepEqual(await listed(store), [sha256(big)])
  })

  check('two writers of one object both succeed', async (store) => {
    const results = await Promise.all([store.put(pack(big), Readable.from([big])), store.put(pack(big), big)])
    for (const result of results) value(result)
    deepEqual(await read(await store.get(pack(big))), big)
  })

  check('keeps packs and pages apart', async (store) => {
    const name = { kind: 'page', hash: sha256(big) } as const
    value(await store.put(name, big))
    ok(await store.has(name))
    ok(!(await store.has(pack(big))))
  })

  check('serves ranges, half open', async (store) => {
    value(await store.put(pack(big), big))
    for (const [start, end] of [
      [0, 1],
      [0, big.length],
      [1_000_000, 2_000_001],
      [big.length - 1, big.length],
    ] as const)
      deepEqual(await read(await store.get(pack(big), { start, end })), big.subarray(start, end))
  })

  check('refuses ranges that the object does not have', async (store) => {
    value(await store.put(pack(big), big))
    for (const [start, end] of [
      [0, 0],
      [-1, 5],
      [5, 4],
      [0, big.length + 1],
      [Number.NaN, 5],
    ] as const) {
      const result = await store.get(pack(big), { start, end })
      equal(result.ok ? 'served' : result.problem.code, 'BAD_REQUEST')
    }
  })

  check('refuses bytes that are not those of the name, and shows nothing of them', async (store) => {
    const name = pack(big)
    const flipped = Buffer.from(big)
    flipped.writeUInt8(flipped.readUInt8(2_000_000) ^ 1, 2_000_000)
    for (const wrong of [flipped, big.subarray(1), Buffer.concat([big, Buffer.from('x')]), Buffer.alloc(0)]) {
      const result = await store.put(name, Readable.from([wrong]))
      equal(result.ok ? 'stored' : result.problem.code, 'CONTENT_CORRUPT')
      ok(!(await store.has(name)))
    }
    deepEqual(await listed(store), [])
    value(await store.put(name, big))
  })

  check('shows nothing of a put that broke off, and takes the object afterwards', async (store) => {
    const name = pack(big)
    const breaking = Readable.from(
      (async function* () {
        yield big.subarray(0, 2_000_000)
        ok(!(await store.has(name)), 'not visible while it is written')
        throw new Error('the line went down')
      })(),
    )
    const result = await store.put(name, breaking)
    equal(result.ok ? 'stored' : result.problem.code, 'CONTENT_SOURCE_FAILED')
    ok(!(await store.has(name)))
    deepEqual(await listed(store), [])
    value(await store.put(name, big))
    deepEqual(await read(await store.get(name)), big)
  })

  check('hands on the problem that a stream broke with', async (store) => {
    const breaking = new Readable({
      read() {
        this.destroy(new ProblemError(problem('SITE_UNREACHABLE', 'No link.')))
      },
    })
    const result = await store.put(pack(big), breaking)
    equal(result.ok ? 'stored' : result.problem.code, 'SITE_UNREACHABLE')
  })

  check('stops when it is told to, also while the source says nothing', async (store) => {
    const abort = new AbortController()
    const silent = new Readable({ read() {} })
    silent.push(big.subarray(0, 100))
    const put = store.put(pack(big), silent, abort.signal)
    abort.abort(new Error('enough'))
    await put.then(
      () => ok(false, 'the put must not settle as a value'),
      (error: unknown) => equal(String(error), 'Error: enough'),
    )
    deepEqual(await listed(store), [])
  })

  check('says PACK_GONE for what it does not have', async (store) => {
    const result = await store.get(pack(big))
    equal(result.ok ? 'served' : result.problem.code, 'PACK_GONE')
    ok(!(await store.has(pack(big))))
  })

  check('lists every object with its size, and deletes for good', async (store) => {
    const objects = Array.from({ length: 20 }, (_, i) => Buffer.alloc(i + 1, i))
    for (const object of objects) value(await store.put(pack(object), object))
    const sizes = new Map<string, number>()
    for await (const object of store.list('pack')) sizes.set(object.hash, object.sizeBytes)
    deepEqual([...sizes].sort(), objects.map((object) => [sha256(object), object.length]).sort())
    for (const object of objects)
      await rejects(store.delete(pack(object), AbortSignal.abort(new Error('given up'))), /given up/)
    for (const object of objects) equal(await store.has(pack(object)), true)
    for (const object of objects) await store.delete(pack(object))
    await store.delete(pack(big))
    deepEqual(await listed(store), [])
  })
}
