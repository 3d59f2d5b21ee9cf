/** The command as a process: the terminal, the environment and Ctrl-C. */
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { LocalFailure } from './local-failure.ts'
import { run } from './run.ts'
import { readStandardInput } from './terminal/standard-input.ts'

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

/** Lines that came together with an answer, as when several are pasted: they answer what is asked next. */
const pasted: string[] = []

async function ask(question: string, signal: AbortSignal): Promise<string> {
  const waiting = pasted.shift()
  if (waiting !== undefined) {
    process.stderr.write(`${question}${waiting}\n`)
    return waiting
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  terminal.on('line', (line) => pasted.push(line))
  try {
    const ended = new Promise<never>((_resolve, reject) => {
      terminal.once('close', () => reject(new LocalFailure('Nothing was answered.')))
    })
    return await Promise.race([terminal.question(question, { signal }), ended])
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
