/**
 * Keeps the store in step with what the site says this gateway shall hold.
 *
 * Owns the order of things; does not own the bytes (`puller.ts`), the lists (`contents.ts`) or the
 * reports (`content-reports.ts`).
 *
 * 1. One thing at a time: reading the lists and removing objects never overlap, so nothing is
 *    removed that a list just began to name.
 * 2. An object that no content names stays for a grace period: addresses were signed for it.
 * 3. A list that could not be read changes nothing.
 * 4. An order to verify a content counts as carried out, also after a restart, only when every object
 *    of it that is here was read.
 */
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { FileStore } from '@sluice/content'
import { GatewayContent, linkPaths, type ObjectKind, Sha256, StoredObject } from '@sluice/protocol'
import type { z } from 'zod'
import { readLines } from '../link/lines.ts'
import type { Link } from '../link/link.ts'
import { type Log, reason } from '../log.ts'
import { type Contents, type ObjectKey, objectKey } from './contents.ts'
import type { Puller } from './puller.ts'

const LIST_TIMEOUT_MS = 30_000
const LINE_BYTES = 4096
const MAX_CONTENTS = 100_000
const MAX_OBJECTS = 500_000
const RETRY_MS = 2_000
const LONGEST_SWEEP_MS = 600_000

export interface Keeper {
  /** The lists at the site may be others than they were. */
  refresh(): void
  /** Reads every object and hashes it; what is corrupt is removed, and pulled again. Gives how many were. */
  scan(): Promise<number>
  stop(): Promise<void>
}

export interface KeeperOptions {
  link: Link
  store: FileStore
  contents: Contents
  puller: Puller
  /** Milliseconds. */
  unreferencedGraceMs: number
  now: () => number
  log: Log
}

export function createKeeper(options: KeeperOptions): Keeper {
  const { link, store, contents, puller, log } = options
  const stopped = new AbortController()
  const unreferencedSince = new Map<ObjectKey, number>()
  let due = false
  let timer: NodeJS.Timeout | undefined
  let work: Promise<void> = Promise.resolve()

  /** Queues a piece of work behind the others (1). */
  function enqueue(piece: () => Promise<void>): void {
    work = work.then(piece).catch((thrown: unknown) => {
      if (!stopped.signal.aborted) log.error('content.keeper-failed', { reason: reason(thrown) })
    })
  }

  async function readLists(): Promise<void> {
    due = false
    try {
      const listed = await fetchList(linkPaths.contents, GatewayContent, MAX_CONTENTS)
      for (const content of listed) {
        const held = contents.get(content.contentId)
        const toVerify = content.verify !== undefined && content.verify !== held?.content.verify
        if (held?.content.revision === content.revision) {
          if (!toVerify && isDeepStrictEqual(held.content, content)) continue
          const objects = [...held.objects.values()]
          if (toVerify) await verify(objects)
          await contents.put(content, objects) // 4
          continue
        }
        const path = `${linkPaths.contentObjects}${content.contentId}`
        const objects = await fetchList(path, StoredObject, MAX_OBJECTS)
        if (toVerify && held !== undefined) await verify(objects)
        await contents.put(content, objects)
        log.info('content.listed', { package: content.packageId, content: content.contentId })
      }
      const ids = new Set(listed.map((content) => content.contentId))
      for (const { content } of [...contents.all()])
        if (!ids.has(content.contentId)) await contents.remove(content.contentId)
    } catch (thrown) {
      if (stopped.signal.aborted || !link.isUp()) return // 3; the next link brings it up again
      log.warn('content.list-failed', { reason: reason(thrown) })
      setTimeout(refresh, RETRY_MS).unref()
    } finally {
      wantMissing()
    }
  }

  /** Removes what is here of these objects and is not what it was. */
  async function verify(objects: StoredObject[]): Promise<void> {
    for (const object of objects) {
      stopped.signal.throwIfAborted()
      const key = objectKey(object)
      // A disk that cannot read an object has not got it.
      if (!contents.isPresent(key) || (await isRight(store, object, 'missing').catch(() => false))) continue
      log.error('content.corrupt', { object: key })
      await removeObject(key)
    }
  }

  async function fetchList<S extends z.ZodType>(path: string, schema: S, most: number): Promise<z.output<S>[]> {
    const answer = await link.request('control', {
      method: 'GET',
      path,
      timeoutMs: LIST_TIMEOUT_MS,
      signal: stopped.signal,
    })
    if (!answer.ok) throw new Error(answer.problem.detail)
    const { status, body } = answer.value
    try {
      if (status !== 200) throw new Error(`${path}: status ${status}`)
      const list: z.output<S>[] = []
      for await (const line of readLines(body, LINE_BYTES)) {
        if (list.length >= most) throw new Error(`${path}: more than ${most} lines`)
        list.push(schema.parse(JSON.parse(line)))
      }
      return list
    } finally {
      body.destroy()
    }
  }

  function wantMissing(): void {
    for (const held of contents.all())
      if (held.content.own) puller.want([...held.missing].flatMap((key) => held.objects.get(key) ?? []))
  }

  async function sweep(): Promise<void> {
    clearTimeout(timer)
    const referenced = new Set(
      [...contents.all()].flatMap(({ content, objects }) => (content.own ? [...objects.keys()] : [])),
    )
    for (const key of unreferencedSince.keys()) if (referenced.has(key)) unreferencedSince.delete(key)
    for (const key of [...contents.present()]) {
      if (referenced.has(key) || stopped.signal.aborted) continue
      const since = unreferencedSince.get(key) ?? options.now()
      unreferencedSince.set(key, since)
      if (options.now() - since < options.unreferencedGraceMs) continue // 2
      unreferencedSince.delete(key)
      await removeObject(key)
      log.info('content.removed', { object: key })
    }
    if (stopped.signal.aborted) return
    timer = setTimeout(
      () => enqueue(sweep),
      Math.min(LONGEST_SWEEP_MS, Math.max(1_000, options.unreferencedGraceMs / 4)),
    )
    timer.unref()
  }

  async function removeObject(key: ObjectKey): Promise<void> {
    contents.setPresent(key, false)
    const [kind, hash] = key.split('/') as [ObjectKind, string]
    await store.delete({ kind, hash: Sha256.parse(hash) })
  }

  function refresh(): void {
    if (due || stopped.signal.aborted) return
    due = true
    enqueue(async () => {
      await readLists()
      await sweep()
    })
  }

  return {
    refresh,
    async scan() {
      let corrupt = 0
      for (const kind of ['page', 'pack'] as const)
        for await (const object of store.list(kind)) {
          if (await isRight(store, object, 'right')) continue
          corrupt++
          log.error('content.corrupt', { object: objectKey(object) })
          await removeObject(objectKey(object))
        }
      wantMissing()
      return corrupt
    },
    async stop() {
      stopped.abort()
      clearTimeout(timer)
      await work
    },
  }
}

/** @param absent what an object is that is not there: `right` when it may have been removed meanwhile */
async function isRight(store: FileStore, object: StoredObject, absent: 'right' | 'missing'): Promise<boolean> {
  const opened = await store.get(object)
  if (!opened.ok) return absent === 'right'
  const hash = createHash('sha256')
  for await (const chunk of opened.value.body) hash.update(chunk as Uint8Array)
  return hash.digest('hex') === object.hash
}
