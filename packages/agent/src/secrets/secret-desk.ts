/**
 * Where the runners of a run ask for secrets. Only the agent has the keys; a runner outlives it and asks
 * whichever agent is there.
 *
 *   D1. Only the attempt that is under way gets anything, and only what its step names in the signed
 *       sequence: asked of the run's state at this moment, so it holds for an agent that came back too.
 *   D2. Nothing is kept: the runner keeps what it was given, in memory, as long as its step lives.
 */
import { join } from 'node:path'
import { type DeploymentId, type Problem, problem, type RunId } from '@sluice/protocol'
import { z } from 'zod'
import { type LineServer, serveLines } from './line-socket.ts'
import type { RevealSecret } from './reveal-secret.ts'

export const DeskQuestion = z.strictObject({ attempt: z.string(), name: z.string() })
export type DeskQuestion = z.infer<typeof DeskQuestion>
export type DeskAnswer = { value: string } | { problem: Problem }

/** In the folder of a run. */
export const deskPath = (runFolder: string): string => join(runFolder, 'secrets')

/** @param options.namesOf secrets that an attempt may have; undefined when it is not under way */
export function openSecretDesk(options: {
  runFolder: string
  runId: RunId
  deploymentId: DeploymentId
  namesOf: (attempt: string) => readonly string[] | undefined
  reveal: RevealSecret
}): Promise<LineServer> {
  const { runFolder, runId, deploymentId, namesOf, reveal } = options
  return serveLines(deskPath(runFolder), async (asked, gone): Promise<DeskAnswer> => {
    const { attempt, name } = DeskQuestion.parse(asked)
    const names = namesOf(attempt)
    if (names === undefined) return { problem: problem('SECRET_REFUSED', `Attempt ${attempt} is not under way.`) }
    if (!names.includes(name)) return { problem: problem('SECRET_REFUSED', `The step does not name a secret ${name}.`) } // D1
    const revealed = await reveal({ deploymentId, runId, attempt, name }, gone)
    return revealed.ok ? { value: revealed.value } : { problem: revealed.problem } // D2
  })
}
