/**
 * What a step type must bring. One file a type, one place in the registry; everything that is the
 * same for all of them (conditions, errors, journal, attempts) is the run's business.
 */
import type { Condition, PackageChoice, PackageId, Problem, Result, StepOf, StepType } from '@sluice/protocol'
import type { Decision } from '../condition/condition.ts'
import type { AcquiredContent, Action, Host } from '../host.ts'
import type { Environment } from '../run/variables.ts'

/** The end of a step as its type sees it. */
export interface Conclusion {
  exitCode?: number
  /** Why it failed; absent: it succeeded. */
  problem?: Problem
  /** The machine is to be restarted before the next instruction. */
  restart?: { message: string; timeoutSeconds: number }
  /** The part that the step goes on with; absent: it is through. */
  next?: number
  /** A failure that no retry follows. */
  final?: true
}

export type Prepared = { kind: 'act'; action: Action } | ({ kind: 'done' } & Conclusion)

export interface StepContext {
  host: Pick<Host, 'facts' | 'file' | 'machine' | 'place'>
  environment: Environment
  /** What the run was started with; for behaviours that came later (flags.ts). */
  flags: readonly number[]
  /** Which part of the step, from 0; each is prepared and concluded by itself. */
  part: number
  decide(condition: Condition): Promise<Decision>
  /** Tells people something, in the journal and the log. */
  note(text: string): void
  /** The package that a choice comes out as; `CANDIDATE_NOT_DECLARED` when it is not among the candidates. */
  choose(choice: PackageChoice): Result<PackageId>
  /** Fetches a package, or some files of it, as the run's retry variables say. Rejects when the run is stopped or cancelled. */
  acquire(packageId: PackageId, files?: readonly string[]): Promise<Result<AcquiredContent>>
  /** Tells of a package that the step goes on without. */
  contentFailed(packageId: PackageId, problem: Problem): void
}

export interface StepKind<T extends StepType> {
  /** Whether `prepare` may take long because it fetches content: the step is then journalled before. */
  fetches(step: StepOf<T>): boolean
  /**
   * Does what the engine itself does, or says what the runner shall do. May be called again for the
   * same step after a crash: whatever it does must come out the same.
   */
  prepare(step: StepOf<T>, context: StepContext): Promise<Prepared>
  /** Reads the exit code of an action. */
  conclude?(
    step: StepOf<T>,
    exit: { exitCode: number; output: string },
    context: StepContext,
  ): Conclusion | Promise<Conclusion>
}

export const done = (problem?: Problem): Prepared =>
  problem === undefined ? { kind: 'done' } : { kind: 'done', problem }
