/**
 * One question and one answer over a Unix socket, each a line of JSON: how a step's program, its runner
 * and the agent talk about secrets, so that a value lies in no file and no environment. The folder of
 * the socket lets its owner in and nobody else. On Windows it is a pipe, which the account of the agent, the system
 * and administrators may write to (Named Pipe Security and Access Rights, Microsoft Learn).
 */
import { createHash } from 'node:crypto'
import { chmodSync, closeSync, openSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { basename, dirname, join, resolve } from 'node:path'

const isWindows = process.platform === 'win32'
/** Longest line: the longest secret, written as JSON. */
const MAX_LINE = 64 * 1024
/** Connections at once. */
const MAX_CONNECTIONS = 64
/** From the connection to the whole question. */
const QUESTION_MS = 10_000
/** Longest path that every system takes for a socket. */
const MAX_PATH = 100

export interface LineServer {
  close(): void
}

/**
 * Answers at `path` until it is closed; what is there of an earlier process goes away.
 * @param answer gives what is sent back, as JSON; its signal aborts when the other side is gone
 */
export async function serveLines(
  path: string,
  answer: (question: unknown, gone: AbortSignal) => Promise<unknown>,
): Promise<LineServer> {
  if (!isWindows) rmSync(path, { force: true })
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    const gone = new AbortController()
    socket.on('error', () => {})
    socket.on('close', () => {
      open.delete(socket)
      gone.abort(new Error('nobody waits for the answer'))
    })
    readLine(socket, QUESTION_MS)
      .then(async (line) => socket.end(`${JSON.stringify(await answer(JSON.parse(line), gone.signal))}\n`))
      .catch(() => socket.destroy())
  })
  server.maxConnections = MAX_CONNECTIONS
  await byShortPath(
    path,
    (short) =>
      new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(short, resolve)
      }),
  )
  server.on('error', () => {})
  if (!isWindows) chmodSync(path, 0o600)
  server.unref()
  return {
    close() {
      server.close()
      for (const socket of open) socket.destroy()
      if (!isWindows) rmSync(path, { force: true })
    },
  }
}

/** Asks; rejects when nobody is there, the answer breaks off, or `signal` aborts. */
export async function askLine(path: string, question: unknown, signal: AbortSignal): Promise<unknown> {
  signal.throwIfAborted()
  return await byShortPath(path, async (short) => {
    const socket = connect(short)
    const stop = () => socket.destroy(signal.reason)
    signal.addEventListener('abort', stop)
    try {
      socket.write(`${JSON.stringify(question)}\n`)
      return JSON.parse(await readLine(socket))
    } finally {
      signal.removeEventListener('abort', stop)
      socket.destroy()
    }
  })
}

function readLine(socket: Socket, timeoutMs?: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const limit = timeoutMs === undefined ? undefined : setTimeout(() => socket.destroy(), timeoutMs)
    socket.setEncoding('utf8')
    socket.on('data', (part: string) => {
      text += part
      const end = text.indexOf('\n')
      if (end < 0 && text.length <= MAX_LINE) return
      clearTimeout(limit)
      if (end < 0) reject(new Error('the line is too long'))
      else resolve(text.slice(0, end))
    })
    socket.on('error', reject)
    socket.on('close', () => {
      clearTimeout(limit)
      reject(new Error('the connection was closed'))
    })
  })
}

/** Systems take about 100 characters; a longer path is reached through its opened folder. */
async function byShortPath<T>(path: string, work: (short: string) => Promise<T>): Promise<T> {
  if (isWindows) return await work(pipeOf(path))
  if (path.length <= MAX_PATH || process.platform !== 'linux') return await work(path)
  const folder = openSync(dirname(path), 'r')
  try {
    return await work(join('/proc/self/fd', String(folder), basename(path)))
  } finally {
    closeSync(folder)
  }
}

/** Pipes have a folder of their own, for the whole computer. */
const pipeOf = (path: string): string =>
  `\\\\.\\pipe\\sluice-${createHash('sha256').update(resolve(path).toLowerCase()).digest('hex').slice(0, 32)}`
