/** The command as a process: the terminal, the environment and Ctrl-C. */
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { run } from './run.ts'
import { readStandardInput } from './standard-input.ts'

/** @returns the exit code: 0, or 1 for everything that did not work */
export async function main(args: string[]): Promise<number> {
  const interrupted = new AbortController()
  process.once('SIGINT', () => interrupted.abort())
  // The reader of a pipe may go away early (`sluice status | head`).
  process.stdout.on('error', () => interrupted.abort())
  return run(args, {
    env: process.env,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: interrupted.signal,
    ask: process.stdin.isTTY && process.stderr.isTTY ? ask : undefined,
    askSecret: process.stdin.isTTY && process.stderr.isTTY ? askSecret : undefined,
    input: () => readStandardInput(process.stdin),
  })
}

async function ask(question: string, signal: AbortSignal): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await terminal.question(question, { signal })
  } finally {
    terminal.close()
  }
}

/** What is typed is swallowed instead of shown. */
async function askSecret(question: string, signal: AbortSignal): Promise<string> {
  process.stderr.write(question)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true })
  try {
    return await terminal.question('', { signal })
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}
