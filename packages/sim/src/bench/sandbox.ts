/**
 * A place for a benchmark that ends as a whole: a folder, and a PID, mount and network namespace of its own.
 * Whatever the benchmark starts dies with it, also when it is killed, and the folder goes.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const FOLDER = 'SLUICE_BENCH_FOLDER'
const ALLOWED = '/proc/sys/net/ipv4/tcp_allowed_congestion_control'

/** The folder of the sandbox that this process is in; undefined outside. */
export const sandboxFolder = (): string | undefined => process.env[FOLDER]

export const makeBenchFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'sluice-bench-'))

/** Why there can be none here; undefined when there can. */
export function sandboxObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'it needs root'
  for (const [words, what] of [
    [['unshare', '--net', 'true'], 'network namespaces'],
    [['python3', '--version'], 'python3'],
    [['ip', '-V'], 'the program ip'],
    [['test', '-c', '/dev/net/tun'], '/dev/net/tun'],
  ] as const)
    try {
      execFileSync(words[0], words.slice(1), { stdio: 'ignore' })
    } catch {
      return `it needs ${what}`
    }
  return undefined
}

/** Runs this program again, with the same words, inside; returns its exit code. */
export async function runSandboxed(): Promise<number> {
  const folder = await makeBenchFolder()
  const allowed = readFileSync(ALLOWED, 'utf8').trim()
  // Another namespace may only choose what the system allows everybody.
  if (!allowed.split(' ').includes('cubic')) writeFileSync(ALLOWED, `${allowed} cubic`)
  try {
    const words = ['--net', '--pid', '--fork', '--kill-child=KILL', '--mount-proc']
    const child = spawn('unshare', [...words, process.execPath, ...process.argv.slice(1)], {
      stdio: 'inherit',
      env: { ...process.env, [FOLDER]: folder },
    })
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill('SIGTERM'))
    const [code] = (await once(child, 'exit')) as [number | null]
    return code ?? 1
  } finally {
    writeFileSync(ALLOWED, allowed)
    await rm(folder, { recursive: true, force: true })
  }
}

/** The loopback of a new namespace is down. */
export const raiseLoopback = (): void => void execFileSync('ip', ['link', 'set', 'lo', 'up'])
