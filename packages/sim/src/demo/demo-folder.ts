/**
 * The folder of a demo. A marker in it says which version made it, so that a folder of a newer one
 * is left alone, and a folder that is something else is never emptied.
 */
import { mkdir, readdir, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ProblemError, problem } from '@sluice/protocol'
import { z } from 'zod'
import type { LinePorts } from '../ports.ts'

const VERSION = 1
const MARKER = 'demo.json'
const Port = z.int().min(1).max(65_535)
const Marker = z.object({
  format: z.literal('sluice-demo'),
  v: z.int(),
  /** The ports of a finished set-up: device and gateway know each other by them. */
  ports: z.object({ admin: Port, device: Port, enrolment: Port, link: Port, softwareCenter: Port }).optional(),
})

const refuse = (code: 'DATA_TOO_NEW' | 'NO_SPACE' | 'CONFIGURATION_INVALID', detail: string): never => {
  throw new ProblemError(problem(code, detail))
}

export interface DemoFolder {
  path: string
  /** An earlier demo was set up to the end here and can go on, on its ports. */
  complete: boolean
  markComplete(ports: LinePorts): Promise<void>
}

/**
 * Opens or makes the folder. `DATA_TOO_NEW`, `NO_SPACE`, or `CONFIGURATION_INVALID` when it holds
 * other things.
 * @param options.fresh empty it first, and what an unfinished set-up left in any case
 */
export async function openDemoFolder(
  folder: string,
  options: { fresh: boolean; neededBytes: number },
): Promise<DemoFolder> {
  const path = resolve(folder)
  await mkdir(path, { recursive: true, mode: 0o700 })
  const marker = await readMarker(path)
  if (marker === undefined && (await readdir(path)).length > 0)
    refuse('CONFIGURATION_INVALID', `${path} is not empty and not the folder of a demo; choose another with --data.`)
  if (marker !== undefined && marker.v > VERSION)
    refuse('DATA_TOO_NEW', `${path} was made by a newer version; start that one, or choose another with --data.`)

  const keep = !options.fresh && marker?.ports !== undefined
  if (!keep) for (const name of await readdir(path)) await rm(join(path, name), { recursive: true, force: true })
  const write = (made?: LinePorts) =>
    writeFile(join(path, MARKER), JSON.stringify({ format: 'sluice-demo', v: VERSION, ports: made }))
  if (!keep) {
    const { bavail, bsize } = await statfs(path)
    const freeBytes = bavail * bsize
    if (freeBytes < options.neededBytes)
      refuse(
        'NO_SPACE',
        `The demo needs ${Math.ceil(options.neededBytes / 1e6)} MB in ${path}; ${Math.floor(freeBytes / 1e6)} MB are free.`,
      )
    await write()
  }
  return { path, complete: keep, markComplete: write }
}

/** The ports of the finished set-up in a folder. */
export async function portsOf(folder: string): Promise<LinePorts | undefined> {
  return (await readMarker(resolve(folder)))?.ports
}

async function readMarker(folder: string): Promise<z.infer<typeof Marker> | undefined> {
  try {
    return Marker.parse(JSON.parse(await readFile(join(folder, MARKER), 'utf8')))
  } catch {
    return undefined
  }
}
