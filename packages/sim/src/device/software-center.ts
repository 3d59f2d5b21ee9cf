/**
 * Software Center from the outside: the same HTTP calls that the page in the user's browser makes.
 * The agent leaves address and session token in a file that only its user can read.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CenterState,
  centerPaths,
  type DeploymentId,
  InstallAnswer,
  type Result,
  readProblem,
  SESSION_HEADER,
} from '@sluice/protocol'

export interface SoftwareCenter {
  /** What the page shows now; undefined while the agent is away (a restart). */
  state(): Promise<CenterState | undefined>
  /** The user's click on *Install*. */
  install(deployment: DeploymentId): Promise<Result<InstallAnswer>>
  /** The user's click on *Pause* or *Resume*; the code of a refusal, if any. */
  pause(deployment: DeploymentId, paused: boolean): Promise<string | undefined>
  /** Asks the site for policy now. */
  syncPolicy(): Promise<void>
}

/** Address of the page, with the token in its fragment, as the agent of `stateFolder` wrote it. */
export async function softwareCenterUrl(stateFolder: string): Promise<string | undefined> {
  try {
    const written: unknown = JSON.parse(await readFile(join(stateFolder, 'software-center.json'), 'utf8'))
    if (typeof written === 'object' && written !== null && 'url' in written) return String(written.url)
  } catch {
    // Not there yet.
  }
  return undefined
}

/** Talks to the agent of `stateFolder`, and finds it again after each restart. */
export function createSoftwareCenter(stateFolder: string): SoftwareCenter {
  async function request(method: string, path: string): Promise<Response | undefined> {
    const page = await softwareCenterUrl(stateFolder)
    if (page === undefined) return undefined
    const url = new URL(page)
    const token = new URLSearchParams(url.hash.slice(1)).get('token') ?? ''
    const headers: Record<string, string> = { [SESSION_HEADER]: token, origin: url.origin }
    if (method === 'POST') headers['content-type'] = 'application/json'
    try {
      return await fetch(new URL(path, url), { method, headers, signal: AbortSignal.timeout(30_000) })
    } catch {
      return undefined
    }
  }

  return {
    async state() {
      const response = await request('GET', centerPaths.state)
      if (!response?.ok) return undefined
      return CenterState.parse(await response.json())
    },
    async install(deployment) {
      for (;;) {
        const response = await request('POST', centerPaths.install(deployment))
        if (!response) {
          await sleep(200)
          continue
        }
        const body: unknown = await response.json()
        if (!response.ok) return { ok: false, problem: readProblem(body, response.status) }
        return { ok: true, value: InstallAnswer.parse(body) }
      }
    },
    async pause(deployment, paused) {
      const response = await request('POST', (paused ? centerPaths.pause : centerPaths.resume)(deployment))
      if (response === undefined) return 'UNREACHABLE'
      return response.ok ? undefined : readProblem(await response.json(), response.status).code
    },
    async syncPolicy() {
      await request('POST', centerPaths.syncPolicy)
    },
  }
}
