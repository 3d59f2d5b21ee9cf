/** The agent's Software Center service, seen from the page: the session header on every request, answers parsed. */
import {
  CenterState,
  centerPaths,
  type DeploymentId,
  fail,
  InstallAnswer,
  ProblemError,
  readProblem,
  SESSION_HEADER,
} from '@sluice/protocol'
import { readJsonLines } from '../ui/json-lines.ts'

/** The agent answers these from memory; longer means that it is gone. */
const CALL_TIMEOUT_MS = 30_000
/** One state: some hundred deployments with the report of a long sequence each. */
const MAX_STATE_CHARS = 8 * 1024 * 1024

export interface CenterApi {
  /**
   * Every state from now on, until `signal` or the end of the connection.
   * Throws `ProblemError` (`UNREACHABLE`, `SESSION_REFUSED`, `BAD_ANSWER`, …) or `StateUnreadable`.
   */
  states(signal: AbortSignal): AsyncGenerator<CenterState>
  /** Starts a deployment. Throws `ProblemError` with the reason when the agent refuses. */
  install(id: DeploymentId): Promise<InstallAnswer>
  /** Lets the run of a deployment rest before its next step, or go on. Throws `ProblemError` as `install` does. */
  pause(id: DeploymentId, paused: boolean): Promise<void>
  /** Asks the agent to ask the site for policy now. */
  syncPolicy(): Promise<void>
}

/** The service speaks a protocol that this page cannot read: it was upgraded, and the page must be loaded anew. */
export class StateUnreadable extends Error {}

export interface CenterApiOptions {
  token: string
  /** Of the service, such as `http://127.0.0.1:4000`; left out in the page, which comes from there. */
  origin?: string
  /** A stream that is silent for so long is dead: the service gives a sign of life every 10 s. */
  silenceMs?: number
}

export function createCenterApi({ token, origin = '', silenceMs = 30_000 }: CenterApiOptions): CenterApi {
  async function call(path: string, init: RequestInit): Promise<Response> {
    let response: Response
    try {
      response = await fetch(origin + path, {
        ...init,
        // The content type makes a request that no other page may send unasked (SEC-70), body or not.
        headers: { accept: 'application/json', 'content-type': 'application/json', [SESSION_HEADER]: token },
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
      })
    } catch (cause) {
      if (init.signal?.aborted && cause instanceof DOMException && cause.name === 'AbortError') throw cause
      fail('UNREACHABLE', 'The Software Center service on this device does not answer.')
    }
    if (!response.ok) throw new ProblemError(readProblem(await response.json().catch(() => undefined), response.status))
    return response
  }

  return {
    async *states(signal) {
      const silence = new AbortController()
      const giveUp = () => silence.abort()
      let timer = setTimeout(giveUp, silenceMs)
      try {
        const { body } = await call(centerPaths.events, { signal: AbortSignal.any([signal, silence.signal]) })
        if (body === null) fail('BAD_ANSWER', 'The stream of states has no body.')
        for await (const line of readJsonLines(body, MAX_STATE_CHARS)) {
          clearTimeout(timer)
          timer = setTimeout(giveUp, silenceMs)
          const state = CenterState.safeParse(line)
          if (!state.success) throw new StateUnreadable(state.error.message)
          yield state.data
        }
      } finally {
        clearTimeout(timer)
      }
    },

    async install(id) {
      const signal = AbortSignal.timeout(CALL_TIMEOUT_MS)
      const response = await call(centerPaths.install(id), { method: 'POST', signal })
      return InstallAnswer.parse(await response.json())
    },

    async pause(id, paused) {
      const path = paused ? centerPaths.pause(id) : centerPaths.resume(id)
      await call(path, { method: 'POST', signal: AbortSignal.timeout(CALL_TIMEOUT_MS) })
    },

    async syncPolicy() {
      await call(centerPaths.syncPolicy, { method: 'POST', signal: AbortSignal.timeout(CALL_TIMEOUT_MS) })
    },
  }
}
