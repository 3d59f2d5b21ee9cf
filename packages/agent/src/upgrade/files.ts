/**
 * An upgrade made of files, for systems without a package manager. The package holds `upgrade.json`
 * and a folder `tree` that is laid over the root; `os-release` comes last, so that the system names
 * its new release only when all of it is there. Running it again completes a broken-off one.
 */
import { lstatSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { TraceLog } from '../run/cmtrace-log.ts'
import { UpgradeFailed } from './outcome.ts'
import { listTree, placeFile, removeFile } from './place-files.ts'
import { type Release, readRelease } from './release.ts'
import { resolveInRoot } from './root-path.ts'

export const FILES_MANIFEST = 'upgrade.json'

/** Relative, with `/` between plain names. */
const Path = z
  .string()
  .min(1)
  .max(4000)
  .refine((path) => path.split('/').every((name) => name !== '' && name !== '.' && name !== '..'), 'a relative path')

const FilesUpgrade = z.strictObject({
  format: z.literal('sluice-files-upgrade/1'),
  /** `ID` and `VERSION_ID` of os-release, once all is in place. */
  to: z.strictObject({ id: z.string().max(64), version: z.string().max(64) }),
  /** Releases that may be upgraded; absent: every one. */
  from: z.array(z.strictObject({ id: z.string().max(64), version: z.string().max(64) })).optional(),
  /** Files that the new release does not have. */
  remove: z.array(Path).max(100_000).default([]),
  /** Files of the tree that stay as they are where the system has them: settings. */
  keep: z.array(Path).max(100_000).default([]),
})

const LARGEST_MANIFEST_BYTES = 16 * 1024 * 1024

export interface FilesCircumstances {
  sourcePath: string
  osRoot: string
  scanOnly: boolean
  log: TraceLog
  onPercent: (percent: number) => void
}

/** Returns what happened, for people. Throws `UpgradeFailed`. */
export async function upgradeByFiles(at: FilesCircumstances): Promise<string> {
  const manifest = await readManifest(at.sourcePath)
  const tree = join(at.sourcePath, 'tree')
  const paths = await listTree(tree)
  const before = readRelease(at.osRoot)
  const say = (text: string) => at.log.write({ text, component: 'OSUpgrade', level: 'info' })

  const fits = (release: { id: string; version: string }) =>
    release.id === before?.id && release.version === before.version
  if (manifest.from !== undefined && !manifest.from.some(fits) && !fits(manifest.to))
    throw new UpgradeFailed('notApplicable', `This package does not upgrade ${name(before)}.`)
  if (at.scanOnly) return `${paths.length} files would be put in place, ${manifest.remove.length} removed.`

  const kept = new Set(manifest.keep)
  let [looked, placed, removed] = [0, 0, 0]
  const place = async (chosen: string[]) => {
    for (const path of chosen) {
      if (kept.has(path) && existsInRoot(at.osRoot, path)) say(`Kept as it is: ${path}`)
      else if (await placeFile(join(tree, path), at.osRoot, path)) placed += 1
      at.onPercent(Math.floor((++looked * 100) / paths.length))
    }
  }
  const namesRelease = (path: string) => path.endsWith('os-release')
  await place(paths.filter((path) => !namesRelease(path)))
  for (const path of manifest.remove) if (await removeFile(at.osRoot, path)) removed += 1
  await place(paths.filter(namesRelease))

  const after = readRelease(at.osRoot)
  if (after?.id !== manifest.to.id || after.version !== manifest.to.version)
    throw new UpgradeFailed('notUpgraded', `The root says ${name(after)} after all files are in place.`)
  const summary = `${name(after)}: ${placed} of ${paths.length} files put in place, ${removed} removed.`
  say(summary)
  return summary
}

const name = (release: Release | undefined) => release?.name ?? 'a system without os-release'
const existsInRoot = (root: string, path: string) =>
  lstatSync(resolveInRoot(root, path), { throwIfNoEntry: false }) !== undefined

async function readManifest(sourcePath: string): Promise<z.infer<typeof FilesUpgrade>> {
  const path = join(sourcePath, FILES_MANIFEST)
  if (lstatSync(path).size > LARGEST_MANIFEST_BYTES)
    throw new UpgradeFailed('packageUnusable', `${FILES_MANIFEST} is larger than ${LARGEST_MANIFEST_BYTES} bytes.`)
  let document: unknown
  try {
    document = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw new UpgradeFailed('packageUnusable', `${FILES_MANIFEST}: ${error instanceof Error ? error.message : error}`)
  }
  const parsed = FilesUpgrade.safeParse(document)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new UpgradeFailed('packageUnusable', `${FILES_MANIFEST}: ${issue?.path.join('.')}: ${issue?.message}`)
}
