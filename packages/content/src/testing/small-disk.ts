/** A disk that is really full: a small tmpfs in a namespace of its own. */
import { execFileSync, spawnSync } from 'node:child_process'

const MOUNTED = 'mount -t tmpfs -o size="$2" none "$1" && exec "$3" "$4" "$1"'

/** What to skip a test for where there can be none; a build machine skips nothing. */
export function skipWithoutNamespaces(): string | false {
  if (process.env.CI === 'true') return false
  if (spawnSync('unshare', ['--map-root-user', '--mount', 'true']).status === 0) return false
  return 'namespaces cannot be made here (unshare --map-root-user --mount)'
}

/**
 * Runs a program of ours on such a disk and reads the JSON that it prints.
 *
 * @param disk.folder where the disk is for it, its only argument; @param disk.sizeMiB of the disk
 */
export function onSmallDisk(program: string, { folder, sizeMiB }: { folder: string; sizeMiB: number }): unknown {
  const words = ['--map-root-user', '--mount', 'sh', '-c', MOUNTED, 'sh']
  const output = execFileSync('unshare', [...words, folder, `${sizeMiB}m`, process.execPath, program], {
    encoding: 'utf8',
  })
  return JSON.parse(output)
}
