/** Files of this computer that the operator names: read within a bound, refused in words that say which and why. */
import { createReadStream } from 'node:fs'
import { failLocally } from './local-failure.ts'

/** What the operating system says, for people. */
const reasons: Record<string, string> = {
  ENOENT: 'there is no such file or folder.',
  EISDIR: 'this is a folder; name a file.',
  ENOTDIR: 'a part of this path is a file, not a folder.',
  EACCES: 'you may not read or write it; look at its owner and mode.',
  EPERM: 'you may not read or write it; look at its owner and mode.',
  EEXIST: 'it is there already, and nothing is written over. Choose another name, or remove it first.',
  ENOSPC: 'the disk is full.',
  EROFS: 'this disk cannot be written to.',
  ENAMETOOLONG: 'this name is too long.',
}

/** All bytes of a file, or of a pipe. @throws LocalFailure */
export async function readLocalFile(file: string, mostBytes: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  try {
    for await (const part of createReadStream(file, { end: mostBytes }) as AsyncIterable<Buffer>) {
      parts.push(part)
      length += part.length
    }
  } catch (error) {
    return failLocally(fileFailure(error, file) ?? `${file}: ${error}`)
  }
  return length > mostBytes ? failLocally(`${file} is larger than ${mostBytes} bytes.`) : Buffer.concat(parts)
}

/** What to say of a file that cannot be read or written; undefined for other failures. */
export function fileFailure(error: unknown, file?: string): string | undefined {
  if (!(error instanceof Error) || !('syscall' in error && 'code' in error)) return undefined
  const path = file ?? ('path' in error ? error.path : undefined)
  const reason = reasons[String(error.code)]
  if (path === undefined) return error.code === 'EISDIR' ? 'A folder was named where a file is needed.' : undefined
  return `${path}: ${reason ?? `${error.message}.`}`
}
