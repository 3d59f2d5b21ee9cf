import type { ProblemKind } from '../problem.ts'

/** Sequences as documents, and steps as they run. */
export const sequenceProblems = {
  SEQUENCE_INVALID: {
    status: 422,
    retry: 'never',
    title: 'The sequence file is not valid',
    remedy: 'Mend the places listed in `errors` (file, line, path, what was expected). Nothing was stored.',
  },
  SEQUENCE_REFERENCE_MISSING: {
    status: 422,
    retry: 'never',
    title: 'The sequence refers to a package that does not exist',
    remedy: 'Import the package first, or mend the id at the place listed in `errors`. Nothing was stored.',
  },
  STEP_FAILED: {
    status: 500,
    retry: 'never',
    title: 'A step ended with an exit code that does not mean success',
    remedy: 'The output of the step is in `smsts.log` on the device.',
  },
  STEP_TIMED_OUT: {
    status: 500,
    retry: 'never',
    title: 'A step took longer than its time-out and was ended',
    remedy: 'Look in `smsts.log` for what it waited for; raise the time-out if it was only slow.',
  },
  STEP_COULD_NOT_START: {
    status: 500,
    retry: 'never',
    title: 'The program of a step could not be started',
    remedy:
      'Check the command line and that the package holds the program; the detail has the reason of the operating system.',
  },
  STEP_OUTCOME_UNKNOWN: {
    status: 500,
    retry: 'never',
    title: 'The device or the runner stopped in the middle of a step that may not be run twice',
    remedy: 'Look at the device; then start the deployment again, or declare the step `idempotent`.',
  },
  READINESS_FAILED: {
    status: 500,
    retry: 'never',
    title: 'The device does not meet a readiness check (4316)',
    remedy: 'The detail lists each check with what was found and what is needed.',
  },
  DEBUG_NOT_ALLOWED: {
    status: 403,
    retry: 'never',
    title: 'The released sequence does not allow its runs to be debugged',
    remedy:
      'Add `debug: true` to the sequence, and have it released again. What a debugger changes no release key has signed.',
  },
  DEBUG_REFUSED: {
    status: 409,
    retry: 'never',
    title: 'The debugger cannot do this now',
    remedy: 'The detail says why. Steps, jumps and variables need a run that stands still: attach first.',
  },
  VARIABLE_REFUSED: {
    status: 422,
    retry: 'never',
    title: 'A variable may not have this name or value',
    remedy:
      'Names: a letter, then letters, digits, `_` or `-`, at most 256; a leading `_` is read-only; values: at most 4,000 characters.',
  },
  CANDIDATE_NOT_DECLARED: {
    status: 500,
    retry: 'never',
    title: 'A step chose a package that is not among its candidates',
    remedy: 'Add the package to the `candidates` of the step, or give it the labels that they ask for.',
  },
  UPGRADE_FAILED: {
    status: 500,
    retry: 'never',
    title: 'The operating system was not upgraded',
    remedy: 'The detail has the code of the installer; its log is beside `smsts.log`.',
  },
  RUN_STUCK: {
    status: 500,
    retry: 'never',
    title: 'The run made no progress over many restarts and was ended',
    remedy: 'The detail names the step; look in `smsts.log` for what restarts the device or ends the agent there.',
  },
  RUN_TIME_EXCEEDED: {
    status: 500,
    retry: 'never',
    title: 'The run took longer than its maximum run time and was ended',
    remedy:
      'Look in `smsts.log` for what took long; raise `maximumRunTimeMinutes` of the sequence if it was only slow.',
  },
  RUN_CANCELLED: {
    status: 500,
    retry: 'never',
    title: 'The run was cancelled',
    remedy: 'Start the deployment again when you want it to go on.',
  },
} as const satisfies Record<string, ProblemKind>
