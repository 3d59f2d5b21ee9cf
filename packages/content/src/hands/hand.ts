/**
 * A thread that does the heavy part of an import: walks, reads, cuts, hashes, compresses, seals. It may
 * block, for nobody else runs on it, and it loads nothing but what that takes.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { surveyFolder } from '../import/survey.ts'
import { stampOf } from '../import/tree.ts'
import { cutSize } from '../pack/chunker.ts'
import { compressHere } from '../pack/compression.ts'
import { frameHeader, frameKey, type SealedFrame } from '../pack/frame-format.ts'
import { seal } from '../pack/gcm.ts'
import { sha256 } from '../pack/hash.ts'
import { isZero } from '../pack/hole.ts'
import { release } from '../release.ts'
import type { Answer, CutPart, Jobs, Part, Question, Reading } from './jobs.ts'

const port = parentPort
if (port === null) throw new Error('this file runs as a worker thread')

/** Neither through a symlink nor waiting for the other end of a pipe, whatever took the file's place. */
const READ_ONLY = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

function cut(bytes: Buffer, last: boolean): CutPart {
  const part: CutPart = { ids: [], sizes: [] }
  for (let at = 0; at < bytes.length; ) {
    const size = cutSize(bytes, at, bytes.length)
    // What ends where the bytes end may go on in those that follow.
    if (!last && at + size === bytes.length) break
    const chunk = bytes.subarray(at, at + size)
    part.ids.push(isZero(chunk) ? '' : sha256(chunk))
    part.sizes.push(size)
    at += size
  }
  return part
}

function cutGiven({ bytes, sizeBytes, last }: Jobs['cut']['asked']): Jobs['cut']['answer'] {
  return { bytes, ...cut(Buffer.from(bytes, 0, sizeBytes), last) }
}

function read(asked: readonly Part[]): Reading {
  const buffer = new ArrayBuffer(asked.reduce((sum, { from, to }) => sum + to - from, 0))
  const bytes = Buffer.from(buffer)
  let at = 0
  const parts = asked.map((part) => {
    const place = bytes.subarray(at, at + part.to - part.from)
    at += place.length
    return readPart(part, place) ? cut(place, part.last) : undefined
  })
  return { bytes: buffer, parts }
}

/** False when the file is not the one that was expected, before or after. */
function readPart({ path, from, expect }: Part, place: Buffer): boolean {
  const file = openSync(path, READ_ONLY)
  try {
    const same = (): boolean => {
      if (expect === undefined) return true
      const now = fstatSync(file, { bigint: true })
      return now.isFile() && Number(now.size) === expect.sizeBytes && stampOf(now) === expect.stamp
    }
    if (!same()) return false
    let done = 0
    while (done < place.length) {
      const count = readSync(file, place, done, place.length - done, from + done)
      if (count === 0) return false
      done += count
    }
    return same()
  } finally {
    closeSync(file)
  }
}

function sealPlain({ plain: buffer, hash: known, salt, level }: Jobs['seal']['asked']): Jobs['seal']['answer'] {
  const plain = Buffer.from(buffer)
  const hash = known ?? sha256(plain)
  const { method, body } = compressHere(plain, level)
  const sealed = seal(frameKey(hash, salt), frameHeader(method, plain.length), body)
  for (const bytes of [body, plain]) release(bytes)
  return { hash, sealed }
}

function perform(question: Question): unknown {
  switch (question.kind) {
    case 'survey':
      return surveyFolder(question.asked)
    case 'read':
      return read(question.asked)
    case 'cut':
      return cutGiven(question.asked)
    case 'seal':
      return sealPlain(question.asked)
  }
}

function buffersOf({ kind }: Question, value: unknown): ArrayBuffer[] {
  if (kind === 'survey') return []
  return kind === 'seal' ? [(value as SealedFrame).sealed.buffer] : [(value as Reading).bytes]
}

port.on('message', (question: Question) => {
  const { id } = question
  try {
    const value = perform(question)
    port.postMessage({ id, value } satisfies Answer, buffersOf(question, value))
  } catch (error) {
    const { message, code, path } = error as NodeJS.ErrnoException
    const known = { ...(code === undefined ? {} : { code }), ...(path === undefined ? {} : { path }) }
    port.postMessage({ id, error: { message, ...known } } satisfies Answer)
  }
})
