/** The system that the tests run on, in an overlay where it may be changed: nothing of that is left. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const OVERLAY = 'mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/overlay" overlay "$1/root"'

/**
 * Runs a script of this folder with `folder` as its word, in a mount namespace where `<folder>/root` is the overlay.
 * @param name of the script
 * @returns the JSON that it printed; undefined where the system lays no overlay over its root
 */
export async function runOnOwnSystem(folder: string, name: string) {
  const script = fileURLToPath(new URL(`./${name}`, import.meta.url))
  for (const part of ['upper', 'overlay', 'root']) mkdirSync(join(folder, part))
  const asRoot = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']
  const run = (text: string) =>
    spawn('unshare', ['--mount', ...asRoot, '/bin/sh', '-ec', text, 'sh', folder, process.execPath, script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  if ((await once(run(`${OVERLAY} 2>/dev/null`), 'exit'))[0] !== 0) return undefined
  const child = run(`${OVERLAY}; exec "$2" "$3" "$1"`)
  let text = ''
  for await (const piece of child.stdout) text += piece
  return JSON.parse(text)
}
