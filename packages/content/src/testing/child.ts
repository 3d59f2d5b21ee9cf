/** Servers for tests that run as processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Ports of 127.0.0.1 that nobody listened on a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  await Promise.all(servers.map((server) => once(server.listen(0, '127.0.0.1'), 'listening')))
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

export interface Child {
  /** What it wrote to stderr so far, at most the last 4,000 characters. */
  said(): string
  ended(): boolean
  stop(): Promise<void>
}

/** Starts a program that is ended together with this process at the latest. */
export function startChild(program: string, args: string[]): Child {
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr?.on('data', (bytes: Buffer) => {
    said = (said + bytes.toString()).slice(-4000)
  })
  child.on('error', (error) => {
    said += error.message
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const ended = () => child.exitCode !== null || child.signalCode !== null || child.pid === undefined
  return {
    said: () => said,
    ended,
    async stop() {
      process.off('exit', kill)
      if (ended()) return
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      const late = setTimeout(kill, 5000)
      await exit
      clearTimeout(late)
    },
  }
}

/** Waits until `ready` says so; throws what the children said when one of them ends before. */
export async function untilReady(children: Child[], ready: () => Promise<boolean>): Promise<void> {
  for (;;) {
    if (await ready().catch(() => false)) return
    const dead = children.find((child) => child.ended())
    if (dead !== undefined) throw new Error(`A server of the test ended: ${dead.said()}`)
    await sleep(50)
  }
}

export function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const answer = (connected: boolean) => {
      socket.destroy()
      resolve(connected)
    }
    socket.once('connect', () => answer(true)).once('error', () => answer(false))
  })
}
