/**
 * Which contents this gateway shall hold, what objects each consists of, and which of them are
 * here. Kept in the data folder, one file per content, so that a gateway without its site still
 * knows what belongs to what.
 *
 * 1. What the site lists may be asked for; whether it is here is another question. A device gets
 *    addresses of objects only through a content.
 * 2. A content's list is replaced whole, first on disk, then in memory.
 * 3. What an earlier list of the same content named stays known by name, so that who was sent there hears
 *    that it is gone. Of any other object a device hears the same, whether it exists or not.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type ObjectName, syncFolder, writeFileAtomic } from '@sluice/content'
import { type ContentId, GatewayContent, ObjectKind, Sha256, StoredObject } from '@sluice/protocol'
import { z } from 'zod'
import { type Log, reason } from '../log.ts'

/** Names of earlier lists that are kept for each content; the oldest go first (3). */
const MAX_FORMER = 20_000

const KeptContent = z.object({
  v: z.literal(1),
  content: GatewayContent,
  objects: z.array(StoredObject),
  former: z.array(z.templateLiteral([ObjectKind, '/', Sha256])).default([]),
})

/** An object's name as one text. */
export type ObjectKey = `${ObjectKind}/${Sha256}`
export const objectKey = ({ kind, hash }: ObjectName): ObjectKey => `${kind}/${hash}`

export interface HeldContent {
  content: GatewayContent
  objects: ReadonlyMap<ObjectKey, StoredObject>
  /** Objects of earlier lists, which are none of it now (3). */
  former: ReadonlySet<ObjectKey>
  totalBytes: number
  /** Objects that are not here yet. */
  missing: Set<ObjectKey>
  missingBytes: number
}

export interface Contents {
  get(id: ContentId): HeldContent | undefined
  all(): Iterable<HeldContent>
  /** Takes a content's list of objects; durable when it returns. */
  put(content: GatewayContent, objects: StoredObject[]): Promise<void>
  remove(id: ContentId): Promise<void>
  isPresent(key: ObjectKey): boolean
  /** An object arrived, or is gone. */
  setPresent(key: ObjectKey, present: boolean): void
  /** Objects that are here. */
  present(): Iterable<ObjectKey>
  /** Whether a content that shall lie here has it. */
  isReferenced(key: ObjectKey): boolean
}

/**
 * @param folder for the lists
 * @param here what the store holds
 */
export async function openContents(folder: string, here: Iterable<ObjectKey>, log: Log): Promise<Contents> {
  const contents = new Map<ContentId, HeldContent>()
  const present = new Set(here)
  const fileOf = (id: ContentId) => join(folder, `${id}.json`)

  function hold(content: GatewayContent, objects: StoredObject[], former: readonly ObjectKey[]): void {
    const byKey = new Map(objects.map((object) => [objectKey(object), object]))
    const missing = new Set([...byKey.keys()].filter((key) => !present.has(key)))
    let totalBytes = 0
    let missingBytes = 0
    for (const [key, { sizeBytes }] of byKey) {
      totalBytes += sizeBytes
      if (missing.has(key)) missingBytes += sizeBytes
    }
    contents.set(content.contentId, {
      ...{ content, objects: byKey, former: new Set(former) },
      ...{ totalBytes, missing, missingBytes },
    })
  }

  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.json') || name.startsWith('.')) continue
    try {
      const kept = KeptContent.parse(JSON.parse(await readFile(join(folder, name), 'utf8')))
      hold(kept.content, kept.objects, kept.former)
    } catch (thrown) {
      // The site tells it again.
      log.warn('data.unreadable', { file: name, reason: reason(thrown) })
    }
  }

  return {
    get: (id) => contents.get(id),
    all: () => contents.values(),
    async put(content, objects) {
      const former = formerOf(contents.get(content.contentId), objects)
      await writeFileAtomic(fileOf(content.contentId), JSON.stringify({ v: 1, content, objects, former })) // 2
      hold(content, objects, former)
    },
    async remove(id) {
      contents.delete(id)
      await rm(fileOf(id), { force: true })
      await syncFolder(folder)
    },
    isPresent: (key) => present.has(key),
    setPresent(key, isHere) {
      if (isHere) present.add(key)
      else present.delete(key)
      for (const held of contents.values()) {
        const object = held.objects.get(key)
        if (object === undefined || held.missing.has(key) === !isHere) continue
        if (isHere) held.missing.delete(key)
        else held.missing.add(key)
        held.missingBytes += isHere ? -object.sizeBytes : object.sizeBytes
      }
    },
    present: () => present.values(),
    isReferenced: (key) => [...contents.values()].some(({ content, objects }) => content.own && objects.has(key)),
  }
}

/** 3 */
function formerOf(before: HeldContent | undefined, objects: readonly StoredObject[]): ObjectKey[] {
  if (before === undefined) return []
  const now = new Set(objects.map(objectKey))
  const gone = [...before.former, ...before.objects.keys()].filter((key) => !now.has(key))
  return gone.slice(-MAX_FORMER)
}
