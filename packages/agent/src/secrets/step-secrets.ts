/**
 * The secrets of one step, in the memory of its runner: fetched when a program of the step first asks
 * (`sluice-ts secret <name>`), given again to who asks again, masked in all that the step prints.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Problem, ProblemCode, problem } from '@sluice/protocol'
import { z } from 'zod'
import { askLine, type LineServer, serveLines } from './line-socket.ts'
import type { DeskAnswer, DeskQuestion } from './secret-desk.ts'

/** Tells a step's processes where its runner listens. */
export const STEP_SECRETS = 'SLUICE_SECRETS'

/** How long a program waits: an agent that is being replaced, or a line that is down, comes back. */
export const SECRET_WAIT_MS = 10 * 60_000
const AGENT_AWAY_MS = 500
/** Shorter lines of a secret are no secrets by themselves. */
const SHORTEST_LINE = 4

const Answer = z.union([
  z.strictObject({ value: z.string() }),
  z.object({ problem: z.object({ code: ProblemCode, detail: z.string() }) }),
])

export interface StepSecrets extends Pick<LineServer, 'close'> {
  environment: Record<string, string>
  /** What was revealed so far, whole and line by line. */
  revealed(): string[]
  /** Asks as a program of the step does: for what the runner itself hands to the program. */
  ask(name: string): Promise<DeskAnswer>
}

/**
 * @param options.path of the socket; @param options.names that the step may ask for
 * @param options.desk where the agent listens; @param options.attempt as the agent knows it
 */
export async function openStepSecrets(options: {
  path: string
  names: readonly string[]
  desk: string
  attempt: string
}): Promise<StepSecrets> {
  const { path, names, desk, attempt } = options
  const ended = new AbortController()
  const asked = new Map<string, Promise<DeskAnswer>>()
  const values = new Set<string>()

  async function fetch(name: string): Promise<DeskAnswer> {
    const question: DeskQuestion = { attempt, name }
    const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(SECRET_WAIT_MS)])
    for (;;) {
      try {
        const answer = Answer.parse(await askLine(desk, question, signal))
        if ('problem' in answer) return { problem: problem(answer.problem.code, answer.problem.detail) }
        for (const text of [answer.value, ...answer.value.split('\n')])
          if (text.length >= SHORTEST_LINE || text === answer.value) values.add(text)
        return answer
      } catch {
        if (signal.aborted) return { problem: gaveUp(name) }
        await delay(AGENT_AWAY_MS, undefined, { signal }).catch(() => {})
      }
    }
  }

  async function ask(name: string): Promise<DeskAnswer> {
    const answer = asked.get(name) ?? fetch(name)
    asked.set(name, answer)
    const said = await answer
    // One reveal an attempt; what was never answered can be asked for again.
    if ('problem' in said) asked.delete(name)
    return said
  }

  const server = await serveLines(path, async (question) => {
    const { name } = z.strictObject({ name: z.string() }).parse(question)
    return names.includes(name)
      ? await ask(name)
      : { problem: problem('SECRET_REFUSED', `This step does not name a secret ${name}.`) }
  })
  return {
    environment: { [STEP_SECRETS]: path },
    revealed: () => [...values],
    ask,
    close() {
      ended.abort()
      server.close()
    },
  }
}

const gaveUp = (name: string): Problem =>
  problem('SECRET_REFUSED', `The secret ${name} did not come within ${SECRET_WAIT_MS / 60_000} minutes.`)

/** The program's side. @param path from the environment; undefined: not in a step that names secrets */
export async function askForSecret(path: string | undefined, name: string): Promise<DeskAnswer> {
  if (path === undefined) return { problem: problem('SECRET_REFUSED', 'This step names no secrets.') }
  try {
    const answer = Answer.parse(await askLine(path, { name }, AbortSignal.timeout(SECRET_WAIT_MS + 10_000)))
    return 'value' in answer ? answer : { problem: problem(answer.problem.code, answer.problem.detail) }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { problem: problem('SECRET_REFUSED', `The runner of this step does not answer: ${why}`) }
  }
}
