/**
 * The gateway's data folder: made, checked and held by one process at a time.
 *
 * The lock is a socket name that the operating system frees when the process ends, however it ends;
 * a file would stay behind (the gateway has no database whose lock could serve).
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, realpath, statfs } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { writeFileAtomic } from '@sluice/content'
import { failed, ok, problem, type Result } from '@sluice/protocol'
import { z } from 'zod'
import { reason } from './log.ts'

/** Rises when a version writes what an older one would misread. */
const FORMAT = 1
/** Room for the gateway's own records; objects need theirs on top. */
const LEAST_FREE_BYTES = 32 * 1024 * 1024

export interface DataFolder {
  path: string
  release(): Promise<void>
}

/** `DATA_FOLDER_IN_USE`, `DATA_TOO_NEW`, `NO_SPACE`, or `CONFIGURATION_INVALID` when it cannot be made at all. */
export async function openDataFolder(path: string): Promise<Result<DataFolder>> {
  let folder: string
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    folder = await realpath(path)
  } catch (thrown) {
    return failed(problem('CONFIGURATION_INVALID', `The data folder cannot be used: ${reason(thrown)}`))
  }
  const lock = await takeLock(folder)
  if (lock === undefined) return failed(problem('DATA_FOLDER_IN_USE', `${folder} belongs to a running gateway.`))
  const release = () => new Promise<void>((resolve) => lock.close(() => resolve()))
  const fault = (await spaceFault(folder)) ?? (await formatFault(folder))
  if (fault === undefined) return ok({ path: folder, release })
  await release()
  return failed(fault)
}

function takeLock(folder: string): Promise<Server | undefined> {
  const name = `sluice-gateway-${createHash('sha256').update(folder).digest('hex').slice(0, 32)}`
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EADDRINUSE') resolve(undefined)
      else reject(cause)
    })
    // Names outside the file system: nothing is left behind by a process that was killed.
    server.listen(process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : `\0${name}`, () => resolve(server))
    server.unref()
  })
}

async function spaceFault(folder: string) {
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  if (free >= LEAST_FREE_BYTES) return undefined
  return problem('NO_SPACE', `${folder} has ${free} bytes left; at least ${LEAST_FREE_BYTES} are needed.`)
}

async function formatFault(folder: string) {
  const file = join(folder, 'format.json')
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) {
    await writeFileAtomic(file, JSON.stringify({ format: 'sluice-gateway-data', v: FORMAT }))
    return undefined
  }
  const parsed = z.object({ format: z.literal('sluice-gateway-data'), v: z.int() }).safeParse(parseJson(text))
  if (!parsed.success) return problem('CONFIGURATION_INVALID', `${folder} is not the data folder of a gateway.`)
  if (parsed.data.v > FORMAT)
    return problem('DATA_TOO_NEW', `${folder} has format ${parsed.data.v}; this version reads up to ${FORMAT}.`)
  return undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
