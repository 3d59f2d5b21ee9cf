/**
 * An emulated wide-area line: this process's network namespace at one end, a namespace of its own at
 * the other, `wan.py` in between. Both ends use CUBIC, as most computers do: BBR would hide the loss.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface LineShape {
  rateMbit: number
  rttMs: number
  lossPercent: number
}

export interface Wan {
  /** Words before a command that run it at the far end. */
  farEnd: readonly string[]
  /** What the line is like from now on. */
  shape(line: LineShape): void
}

/** Address of this end. */
export const NEAR = '10.77.0.1'
const FAR = '10.77.0.2'
const script = fileURLToPath(new URL('./wan.py', import.meta.url))
const settings = { 'ipv4/tcp_congestion_control': 'cubic', 'ipv4/tcp_no_metrics_save': '1' }

/** Needs root, python3, and a network namespace that is ours alone. */
export async function startWan(resources: AsyncDisposableStack): Promise<Wan> {
  // The far end lives as long as this process.
  const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo here; exec sleep infinity'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  resources.defer(() => void holder.kill('SIGKILL'))
  await once(holder.stdout, 'data')
  const farEnd = ['nsenter', '--target', String(holder.pid), '--net']
  const emulator = spawn('python3', [script, 'wan0', 'wan1'], { stdio: ['pipe', 'pipe', 'inherit'] })
  resources.defer(() => void emulator.kill('SIGKILL'))
  await once(emulator.stdout, 'data')

  const run = (...words: string[]) => execFileSync(words[0] ?? '', words.slice(1), { stdio: 'inherit' })
  const far = (...words: string[]) => run(...farEnd, ...words)
  run('ip', 'link', 'set', 'wan1', 'netns', String(holder.pid))
  run('ip', 'addr', 'add', NEAR, 'peer', FAR, 'dev', 'wan0')
  run('ip', 'link', 'set', 'wan0', 'up')
  far('ip', 'addr', 'add', FAR, 'peer', NEAR, 'dev', 'wan1')
  far('ip', 'link', 'set', 'wan1', 'up')
  far('ip', 'link', 'set', 'lo', 'up')
  for (const [name, value] of Object.entries(settings)) {
    writeFileSync(`/proc/sys/net/${name}`, value)
    far('sh', '-c', `echo ${value} > /proc/sys/net/${name}`)
  }
  return {
    farEnd,
    shape: ({ rateMbit, rttMs, lossPercent }) => void emulator.stdin.write(`${rateMbit} ${rttMs} ${lossPercent}\n`),
  }
}
