/**
 * Drops whoever asks and then does not take the answer: what was handed to the operating system must
 * leave at a least rate. What counts is whole writes, so a large one may take as long as its size
 * allows.
 */
import type { Socket } from 'node:net'
import type { ListenerBounds } from './listener-bounds.ts'

interface Progress {
  /** Bytes that the other side has taken. */
  taken: number
  since: number
}

/** @returns what ends the watch */
export function dropSlowReaders(sockets: Iterable<Socket>, bounds: ListenerBounds): () => void {
  const seen = new WeakMap<Socket, Progress>()
  const look = () => {
    const now = performance.now()
    for (const socket of sockets) {
      const waiting = socket.writableLength
      const taken = socket.bytesWritten - waiting
      const before = seen.get(socket)
      if (waiting === 0 || before === undefined || before.taken !== taken) {
        if (waiting > 0) seen.set(socket, { taken, since: now })
        else seen.delete(socket)
      } else if (now - before.since > bounds.slowGraceMs + (waiting / bounds.leastReadRate) * 1000) socket.destroy()
    }
  }
  const timer = setInterval(look, bounds.checkIntervalMs)
  timer.unref()
  return () => clearInterval(timer)
}
