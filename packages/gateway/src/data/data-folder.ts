/** The gateway's data folder: made, checked and held by one process at a time. */
import { mkdir, readFile, realpath, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '@sluice/content'
import { failed, ok, problem, type Result } from '@sluice/protocol'
import { z } from 'zod'
import { reason } from '../log.ts'
import { lockName, takeLock } from './folder-lock.ts'

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
  const lock = await takeLock(lockName(folder))
  if (lock === undefined) return failed(problem('DATA_FOLDER_IN_USE', `${folder} belongs to a running gateway.`))
  const fault = (await spaceFault(folder)) ?? (await formatFault(folder))
  if (fault === undefined) return ok({ path: folder, release: lock.release })
  await lock.release()
  return failed(fault)
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
