/** A site as a process of its own, as a user starts it, for tests. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { fileURLToPath } from 'node:url'
import { type AdminClient, AdminConnection, createAdminClient } from '@sluice/protocol'
import type { SiteAddresses } from '../site.ts'

const program = fileURLToPath(new URL('../../bin/sluice-site.ts', import.meta.url))

/** How a process ended. */
export interface Ended {
  code: number | null
  stderr: string
}

export interface SiteProcess {
  /** The line that the process printed, parsed; undefined when it ended before. */
  ready: ({ ready: true } & SiteAddresses) | undefined
  signal(name: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): void
  ended: Promise<Ended>
}

/** Starts the program and waits until it is ready or has ended. @param prefix a command that runs it */
export async function startSiteProcess(configFile: string, prefix: readonly string[] = []): Promise<SiteProcess> {
  const [command, ...args] = [...prefix, process.execPath, program, '--config', configFile]
  const child = spawn(command as string, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = once(child, 'close').then(([code]): Ended => ({ code, stderr }))
  const said = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      if (stdout.includes('\n')) resolve()
    })
  })
  await Promise.race([said, ended])
  return {
    ready: stdout === '' ? undefined : JSON.parse(stdout),
    signal: (name) => void child.kill(name),
    ended,
  }
}

/** The admin API of a site by what its connection file says; trusts its authority and nobody else. */
export async function adminClientOf(connectionFile: string): Promise<AdminClient> {
  const { url, authority, tokenFile } = AdminConnection.parse(JSON.parse(await readFile(connectionFile, 'utf8')))
  const token = (await readFile(tokenFile, 'utf8')).trim()
  const agent = new Agent({ ca: await readFile(authority, 'utf8') })
  return createAdminClient({ baseUrl: url, token, fetch: (input, init) => fetchBy(agent, String(input), init) })
}

/** Just enough of `fetch` over an agent with an authority of its own. */
function fetchBy(agent: Agent, url: string, init: RequestInit = {}): Promise<Response> {
  return new Promise((resolve, reject) => {
    const headers = Object.fromEntries(new Headers(init.headers))
    const outgoing = request(url, { agent, method: init.method ?? 'GET', headers }, async (incoming) => {
      const chunks: Buffer[] = []
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
      resolve(new Response(Buffer.concat(chunks), { status: incoming.statusCode ?? 500 }))
    })
    outgoing.on('error', (cause) => reject(new TypeError('fetch failed', { cause })))
    outgoing.end(init.body as string | undefined)
  })
}
