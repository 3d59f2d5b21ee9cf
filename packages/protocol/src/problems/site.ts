import type { ProblemKind } from '../problem.ts'

/** The servers themselves. */
export const siteProblems = {
  SITE_UNREACHABLE: {
    status: 503,
    retry: 'later',
    title: 'The gateway has no link to its site at the moment',
    remedy: 'Look at the connector of the site; devices go on with what they have.',
  },
  DATA_TOO_NEW: {
    status: 500,
    retry: 'never',
    title: 'The data folder was written by a newer version',
    remedy: 'Start that version or a newer one, or give another folder.',
  },
  KEYS_MISSING: {
    status: 500,
    retry: 'never',
    title: 'A signing key that was in use is gone or is another one',
    remedy: 'Restore the folder `keys` from a backup. New keys would not be trusted by any device.',
  },
  DATA_FOLDER_IN_USE: {
    status: 500,
    retry: 'never',
    title: 'Another process uses this data folder',
    remedy: 'End the other process, or give another folder.',
  },
  PORT_TAKEN: {
    status: 500,
    retry: 'never',
    title: 'The port is taken',
    remedy: 'End what listens there, or choose another port in the configuration.',
  },
  CONFIGURATION_INVALID: {
    status: 500,
    retry: 'never',
    title: 'The configuration is not valid',
    remedy: 'Mend the fields listed; the process does not start before.',
  },
} as const satisfies Record<string, ProblemKind>
