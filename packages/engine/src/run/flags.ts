/**
 * Behaviours of the engine that a run keeps from its start to its end, although the agent is
 * upgraded in between. A change that would make a started run go another way gets the next number
 * and a paragraph here: what changed, since when, and what runs without the flag still do. Numbers
 * are never used again.
 */
export const flags = {
  /**
   * 1, since 0.1.0: the first engine. Condition values that are both whole numbers compare as
   * numbers, dotted ones part by part as versions, all others as text without case; `%name%` in the
   * wanted value is expanded.
   */
  firstEngine: 1,
  /**
   * 2, since 0.2.0: `SMSTSRebootRequested`, `SMSTSRetryRequested` and `SMSTSRebootDelayNext` are obeyed after
   * a step. Runs without the flag leave them as any other variable.
   */
  restartVariables: 2,
  /** 3, since 0.2.0: the maximum run time ends a run. Runs without the flag have none. */
  maximumRunTime: 3,
  /**
   * 4, since 0.2.0: `TSDebugOnError` lets a run stand still where a step fails. Runs without the flag fail there;
   * a debugger that was attached stops any run.
   */
  debugOnError: 4,
  /**
   * 5, since 0.2.0: the debugger also stops at a group whose condition cannot be decided. In runs without the flag
   * its failure passes on.
   */
  debugAtGroups: 5,
  /**
   * 6, since 0.2.0: an upgrade of the operating system that is through sets `_SMSTSSetupRollback` to `false`. In runs
   * without the flag nobody sets it, and a condition that asks for it does not hold.
   */
  setupRollback: 6,
} as const

const all: readonly number[] = Object.values(flags)

/** What a run that starts now is started with. */
export const currentFlags = (): number[] => [...all]

/** Flags of a run that this engine does not have: a newer one started it, and only such a one may go on. */
export const unknownFlags = (of: readonly number[]): number[] => of.filter((flag) => !all.includes(flag))
