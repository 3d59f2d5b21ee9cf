/**
 * A part of the system as a process of its own: started with a configuration file, ready when it
 * prints its one line of JSON, ended with SIGTERM and, when it does not listen, with SIGKILL.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'

export interface Part {
  pid: number
  /** What the part said when it was ready: addresses. */
  ready: Record<string, unknown>
  /** Settles when the process has ended. */
  ended: Promise<number | null>
  /** Ends it gracefully; after `graceMs` by force. */
  stop(graceMs?: number): Promise<void>
  /** As a power cut would. */
  kill(): Promise<void>
}

/** The part ended before it was ready; `message` is what it said last. */
export class PartFailed extends Error {
  override readonly name = 'PartFailed'
}

/**
 * @param script file that Node runs; @param configuration file for `--config`
 * @param logPath file that takes its log, appended; @param more further words on its command line
 * @param preload module that it loads before its own; @param environment beside what this process has
 */
export async function startPart(
  script: string,
  configuration: string,
  logPath: string,
  more: readonly string[] = [],
  preload?: URL,
  environment: Readonly<Record<string, string>> = {},
): Promise<Part> {
  const log = openSync(logPath, 'a', 0o600)
  const before = preload === undefined ? [] : ['--import', preload.href]
  const child = spawn(process.execPath, [...before, script, '--config', configuration, ...more], {
    stdio: ['ignore', 'pipe', log],
    env: { ...process.env, ...environment },
  })
  closeSync(log)
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  const line = await firstLine(child, ended)
  if (line === undefined) throw new PartFailed(await lastMessage(logPath))
  return {
    pid: child.pid as number,
    ready: JSON.parse(line) as Record<string, unknown>,
    ended,
    async stop(graceMs = 10_000) {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
      await ended
      clearTimeout(timer)
    },
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

async function firstLine(child: ChildProcess, ended: Promise<unknown>): Promise<string | undefined> {
  if (!child.stdout) return undefined
  const lines = createInterface({ input: child.stdout })
  const line = await Promise.race([once(lines, 'line').then(([text]) => text as string), ended.then(() => undefined)])
  lines.close()
  child.stdout.resume()
  return line
}

/** The last thing a log says, as a person would read it. */
async function lastMessage(logPath: string): Promise<string> {
  const last = (await readFile(logPath, 'utf8')).trimEnd().split('\n').at(-1) ?? ''
  try {
    const parsed: unknown = JSON.parse(last)
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) return String(parsed.message)
  } catch {
    // Not a log line: the text itself says it.
  }
  return last
}
