/** Fills the small disk that its argument names, and says what the agent's state makes of it. */
import { appendFileSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createSettings } from '../settings.ts'
import { isFullDisk } from '../sqlite-fault.ts'
import { openState } from '../state.ts'

const disk = process.argv[2] ?? ''
const folder = join(disk, 'state')
const ballast = join(disk, 'ballast')

/** Leaves not one byte. */
function fill(): void {
  for (const size of [64 * 1024, 4096, 1]) {
    try {
      for (;;) appendFileSync(ballast, Buffer.alloc(size, 1))
    } catch {
      // Full, for pieces of this size.
    }
  }
}

const opened = await openState(folder)
if (!opened.ok) throw new Error(opened.problem.detail)
const state = opened.value
const settings = createSettings(state)
const say = (name: string) => state.transaction(() => settings.set(name, 'x'.repeat(30_000)))

fill()
const found: Record<string, unknown> = { reserved: existsSync(join(folder, 'reserve')) }
say('after the disk was full')
found.spent = !existsSync(join(folder, 'reserve'))
try {
  for (let n = 0; ; n++) {
    fill()
    say(`more ${n}`)
  }
} catch (error) {
  found.told = isFullDisk(error)
}
found.kept = settings.get('after the disk was full')?.length
state.close()

fill()
const elsewhere = await openState(join(disk, 'elsewhere'))
found.start = elsewhere.ok ? 'opened' : elsewhere.problem.code

rmSync(ballast)
mkdirSync(folder, { recursive: true })
const again = await openState(folder)
found.afterwards = again.ok && createSettings(again.value).get('after the disk was full')?.length
found.reservedAgain = existsSync(join(folder, 'reserve'))
process.stdout.write(JSON.stringify(found))
