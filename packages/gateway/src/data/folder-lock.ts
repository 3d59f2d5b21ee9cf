/**
 * Who holds a data folder: a socket name that the operating system frees when the process ends,
 * however it ends. (A file would stay behind; the gateway has no database whose lock could serve.)
 */
import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface FolderLock {
  release(): Promise<void>
}

/** The name that stands for a folder. @param folder its real path */
export function lockName(folder: string, platform = process.platform): string {
  const name = `sluice-gateway-${createHash('sha256').update(folder).digest('hex').slice(0, 32)}`
  if (platform === 'linux') return `\0${name}`
  if (platform === 'win32') return `\\\\.\\pipe\\${name}`
  return join(tmpdir(), name)
}

/** Undefined while a living process holds the name. */
export async function takeLock(name: string): Promise<FolderLock | undefined> {
  let server = await listen(name)
  if (server === undefined && name.startsWith('/') && !(await answers(name))) {
    // Only a name in the file system can outlive its process.
    await rm(name, { force: true })
    server = await listen(name)
  }
  if (server === undefined) return undefined
  const held = server
  return { release: () => new Promise((resolve) => held.close(() => resolve())) }
}

function listen(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EADDRINUSE') resolve(undefined)
      else reject(cause)
    })
    server.listen(name, () => resolve(server))
    server.unref()
  })
}

function answers(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(name)
    const end = (alive: boolean) => {
      socket.destroy()
      resolve(alive)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}
