/** What every store in the cloud must do on top of `storeContract`, which this registers too. */
import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ProblemError, type Result } from '@sluice/protocol'
import { sha256 } from '../pack/hash.ts'
import type { CloudStore } from '../stores/cloud-store.ts'
import type { ObjectName } from '../stores/store.ts'
import { openFragileLine } from './fragile-line.ts'
import { storeContract } from './store-contract.ts'
import { value } from './value.ts'

/** An empty bucket or container. Parts of uploads are 1 MiB. */
export interface CloudUnderTest {
  /** Port of 127.0.0.1 that the storage listens on. */
  port: number
  /** Opens it, through another port on request. */
  open(through?: number): CloudStore
  openWithWrongCredentials(): CloudStore
  /** Its credentials can sign addresses for others; they can unless said otherwise. */
  signs?: boolean
}

const pack = (bytes: Uint8Array): ObjectName => ({ kind: 'pack', hash: sha256(bytes) })
const codeOf = (result: Result<unknown>): string => (result.ok ? 'done' : result.problem.code)
const MINUTE_MS = 60_000

export function cloudStoreContract(what: string, create: () => Promise<CloudUnderTest>): void {
  storeContract(what, async () => ({ store: (await create()).open(), close: async () => undefined }))

  const big = randomFillSync(Buffer.alloc(5_000_000))
  const small = Buffer.from('small')

  /** A store with one object, and a URL that opens it; undefined where nothing can be signed, which is then said. */
  const withObject = async (lifeMs: number) => {
    const { open, signs = true } = await create()
    const store = open()
    if (!signs) {
      equal(codeOf(await store.signedUrl(pack(big), lifeMs)), 'STORAGE_CANNOT_SIGN')
      return undefined
    }
    value(await store.put(pack(big), big))
    value(await store.put(pack(small), small))
    return { store, signed: value(await store.signedUrl(pack(big), lifeMs)) }
  }

  test(`${what}: a signed URL opens the object, whole and in ranges, to whoever has it`, async () => {
    const before = Date.now()
    const made = await withObject(5 * MINUTE_MS)
    if (made === undefined) return
    const { signed } = made
    ok(signed.expiresAtMs > before && signed.expiresAtMs <= Date.now() + 5 * MINUTE_MS)
    const whole = await fetch(signed.url)
    equal(whole.status, 200)
    deepEqual(Buffer.from(await whole.arrayBuffer()), big)
    for (const [range, from, to] of [
      ['bytes=0-0', 0, 1],
      ['bytes=1000000-2999999', 1_000_000, 3_000_000],
      ['bytes=4999990-', 4_999_990, 5_000_000],
    ] as const) {
      const answer = await fetch(signed.url, { headers: { range } })
      equal(answer.status, 206, range)
      deepEqual(Buffer.from(await answer.arrayBuffer()), big.subarray(from, to), range)
    }
  })

  test(`${what}: a signed URL opens nothing else, changes nothing, and cannot be altered`, async () => {
    const made = await withObject(5 * MINUTE_MS)
    if (made === undefined) return
    const { store, signed } = made
    const refused = async (url: string, init: RequestInit = {}) => {
      const answer = await fetch(url, init)
      await answer.arrayBuffer()
      ok(answer.status === 403 || answer.status === 401, `${init.method ?? 'GET'} was answered ${answer.status}`)
    }
    await refused(signed.url.replace(pack(big).hash, pack(small).hash))
    await refused(signed.url, { method: 'PUT', body: 'other', headers: { 'x-ms-blob-type': 'BlockBlob' } })
    await refused(signed.url, { method: 'DELETE' })
    for (const name of ['X-Amz-Signature', 'sig', 'X-Amz-Expires', 'se']) {
      const url = new URL(signed.url)
      const was = url.searchParams.get(name)
      if (was === null) continue
      const altered = { sig: `${was.startsWith('A') ? 'B' : 'A'}${was.slice(1)}`, se: '2099-01-01T00:00:00Z' }
      const hex = `${was.startsWith('0') ? '1' : '0'}${was.slice(1)}`
      url.searchParams.set(
        name,
        name === 'X-Amz-Signature' ? hex : name === 'sig' || name === 'se' ? altered[name] : '301',
      )
      await refused(url.href)
    }
    deepEqual(
      await value(await store.get(pack(big)))
        .body.toArray()
        .then(Buffer.concat),
      big,
    )
  })

  test(`${what}: a signed URL ends`, async () => {
    const made = await withObject(2_000)
    if (made === undefined) return
    const { signed } = made
    for (;;) {
      const answer = await fetch(signed.url, { method: 'GET', headers: { range: 'bytes=0-0' } })
      await answer.arrayBuffer()
      if (answer.status === 403) break
      equal(answer.status, 206)
      await sleep(100)
    }
    ok(Date.now() >= signed.expiresAtMs - 1_000, 'not long before it said')
  })

  test(`${what}: wrong credentials are named as such, and get nothing`, async () => {
    const cloud = await create()
    const right = cloud.open()
    value(await right.put(pack(small), small))
    const wrong = cloud.openWithWrongCredentials()
    equal(codeOf(await wrong.put(pack(big), big)), 'STORAGE_REFUSED')
    equal(codeOf(await wrong.get(pack(small))), 'STORAGE_REFUSED')
    const refusal = (error: unknown) => error instanceof ProblemError && error.problem.code === 'STORAGE_REFUSED'
    await rejects(wrong.has(pack(small)), refusal)
    await rejects(wrong.delete(pack(small)), refusal)
    await rejects(async () => {
      for await (const object of wrong.list('pack')) ok(false, `listed ${object.hash}`)
    }, refusal)
    const signed = await wrong.signedUrl(pack(small), MINUTE_MS)
    if (signed.ok) equal((await fetch(signed.value.url)).status, 403)
    else ok(['STORAGE_REFUSED', 'STORAGE_CANNOT_SIGN'].includes(signed.problem.code), signed.problem.code)
    ok(await right.has(pack(small)))
  })

  test(`${what}: an upload that the line broke shows nothing; the next one sends only what is missing`, async (t) => {
    const cloud = await create()
    const line = await openFragileLine(cloud.port)
    t.after(() => line.close())
    const store = cloud.open(line.port)
    line.breakAfter(3_500_000)
    equal(codeOf(await store.put(pack(big), big)), 'STORAGE_UNAVAILABLE')
    const direct = cloud.open()
    ok(!(await direct.has(pack(big))))
    for await (const object of direct.list('pack')) ok(false, `listed ${object.hash}`)

    line.mend()
    line.sentBytes()
    deepEqual(value(await store.put(pack(big), big)), { existed: false })
    const again = line.sentBytes()
    ok(again < big.length - 1024 * 1024, `${again} bytes were sent again`)
    deepEqual(
      await value(await direct.get(pack(big)))
        .body.toArray()
        .then(Buffer.concat),
      big,
    )
  })
}
