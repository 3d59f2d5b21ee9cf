/** Real servers for tests: a process of its own, told its configuration, ended when the test ends. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface Server extends AsyncDisposable {
  /** The line that it printed when it was ready. */
  ready: Record<string, unknown>
}

/** @param name of the package with `bin/sluice-<name>.ts` */
export async function startServer(name: 'site' | 'gateway', configFile: string): Promise<Server> {
  const script = fileURLToPath(new URL(`../../../${name}/bin/sluice-${name}.ts`, import.meta.url))
  const child = spawn(process.execPath, [script, '--config', configFile], { stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.on('data', (text: Buffer) => {
    log = (log + text.toString()).slice(-20_000)
  })
  const lines = createInterface({ input: child.stdout })
  const first = await Promise.race([
    once(lines, 'line').then(([line]) => String(line)),
    once(child, 'exit').then(() => undefined),
  ])
  if (first === undefined) throw new Error(`the ${name} did not start:\n${log}`)
  return {
    ready: JSON.parse(first) as Record<string, unknown>,
    [Symbol.asyncDispose]: () => end(child),
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

/** Ports of 127.0.0.1 that nobody has at the moment. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  })
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}
