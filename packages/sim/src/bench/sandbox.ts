/**
 * A place for a benchmark that ends as a whole: its own PID, mount and network namespace. Whatever the
 * benchmark starts dies with it, also when it is killed.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'

const MARK = 'SLUICE_BENCH_SANDBOX'
const ALLOWED = '/proc/sys/net/ipv4/tcp_allowed_congestion_control'

/** Whether this process is inside one. */
export const isSandboxed = (): boolean => process.env[MARK] === '1'

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
  const allowed = readFileSync(ALLOWED, 'utf8').trim()
  // Another namespace may only choose what the system allows everybody.
  if (!allowed.split(' ').includes('cubic')) writeFileSync(ALLOWED, `${allowed} cubic`)
  try {
    const words = ['--net', '--pid', '--fork', '--kill-child=KILL', '--mount-proc']
    const child = spawn('unshare', [...words, process.execPath, ...process.argv.slice(1)], {
      stdio: 'inherit',
      env: { ...process.env, [MARK]: '1' },
    })
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill('SIGTERM'))
    const [code] = (await once(child, 'exit')) as [number | null]
    return code ?? 1
  } finally {
    writeFileSync(ALLOWED, allowed)
  }
}

/** The loopback of a new namespace is down. */
export const raiseLoopback = (): void => void execFileSync('ip', ['link', 'set', 'lo', 'up'])
