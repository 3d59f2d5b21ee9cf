import type { ProblemKind } from '../problem.ts'

/** The agent and its trust in what it is told. */
export const agentProblems = {
  POLICY_REFUSED: {
    status: 502,
    retry: 'later',
    title: 'The policy is not signed by the site, or is not for this device',
    remedy:
      'Nothing of it was used. If it goes on, somebody between site and device changes policy: look at the gateway.',
  },
  POLICY_REPLAYED: {
    status: 502,
    retry: 'later',
    title: 'The policy is older than one this device already has',
    remedy: 'A restored site raises its epoch by itself; otherwise an old policy is being replayed.',
  },
  POLICY_TOO_NEW: {
    status: 409,
    retry: 'later',
    title: 'The policy asks for a newer agent',
    remedy: 'Update the agent; until then it goes on with the policy it has.',
  },
  POLICY_STALE: {
    status: 409,
    retry: 'later',
    title: 'The last fresh policy is too old to start something new',
    remedy: 'Bring the device online. Running sequences go on; new ones start again after the next policy.',
  },
  CATALOGUE_REFUSED: {
    status: 502,
    retry: 'later',
    title: 'The catalogue is not signed as it must be',
    remedy:
      'Nothing of it was used. If it goes on, the folder `keys` of the site is not the one that the device enrolled with, or somebody between the two changes the catalogue.',
  },
  NOT_RELEASED: {
    status: 409,
    retry: 'never',
    title: 'The policy names something that the catalogue does not list',
    remedy: 'Release it: it is a draft, or it was changed after it was released.',
  },
  PAUSE_NOT_ALLOWED: {
    status: 409,
    retry: 'never',
    title: 'This run cannot be paused, or not set going, by its user',
    remedy: 'Let users pause in the settings of the deployment, or pause and continue it at the site.',
  },
  RUN_IN_PROGRESS: {
    status: 409,
    retry: 'later',
    title: 'Another sequence is running on this device',
    remedy: 'Wait until it has ended; one sequence runs at a time.',
  },
  SESSION_REFUSED: {
    status: 403,
    retry: 'never',
    title: 'This page may not talk to the agent',
    remedy: 'Open Software Center from the link that the agent gives to the signed-in user.',
  },
  RESTART_REFUSED: {
    status: 500,
    retry: 'later',
    title: 'The device did not restart although a step asked for it',
    remedy: 'Look at `restart` in the configuration of the agent; restart the device by hand, then the run goes on.',
  },
  STATE_DAMAGED: {
    status: 500,
    retry: 'never',
    title: 'The state file of the agent was damaged and was set aside',
    remedy:
      'The agent goes on with a new one: a run that was under way is lost, the identity is not. Check the disk of the device; the detail names the file that was kept.',
  },
  STATUS_SUMMARISED: {
    status: 500,
    retry: 'never',
    title: 'More status messages waited than the device keeps',
    remedy:
      'Nothing: the closing report of a run repeats them. The device was offline for long, or the site refused it.',
  },
} as const satisfies Record<string, ProblemKind>
