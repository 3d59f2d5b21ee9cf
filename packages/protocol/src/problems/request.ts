import type { ProblemKind } from '../problem.ts'

/** Problems of any request, whoever answers it. */
export const requestProblems = {
  BAD_REQUEST: {
    status: 400,
    retry: 'never',
    title: 'The request does not have the form it must have',
    remedy:
      'Compare the fields named in `errors` with the schema of the route; an agent that sends it is of another version than the site.',
  },
  BODY_TOO_LARGE: {
    status: 413,
    retry: 'never',
    title: 'The body is larger than this route takes',
    remedy: 'Send less at once; `docs/limits.md` lists the bound of every route.',
  },
  NOT_FOUND: {
    status: 404,
    retry: 'never',
    title: 'There is no such thing',
    remedy: 'Check the id; it may have been deleted.',
  },
  CONFLICT: {
    status: 409,
    retry: 'never',
    title: 'This contradicts what is there already',
    remedy: 'Read the present state, then decide again.',
  },
  RATE_LIMITED: {
    status: 429,
    retry: 'later',
    title: 'There are too many requests from here',
    remedy: 'Nothing: the caller waits and tries again. `limits.rates` in `gateway.json` says how many are allowed.',
  },
  REQUEST_TOO_SLOW: {
    status: 408,
    retry: 'later',
    title: 'The request came too slowly',
    remedy: 'Look at the line of the device: less than 1 KiB a second reached the gateway.',
  },
  BUSY: {
    status: 503,
    retry: 'later',
    title: 'The server has no room for this now',
    remedy: 'Nothing: the caller waits and tries again.',
  },
  BAD_ANSWER: {
    status: 502,
    retry: 'later',
    title: 'The other side answered with something that makes no sense',
    remedy: 'Look for a proxy between the two that writes pages of its own, and for a version that is too new.',
  },
  UNREACHABLE: {
    status: 503,
    retry: 'later',
    title: 'The other side could not be reached',
    remedy: 'Check name, port, route and firewall; the detail names the address that was tried.',
  },
  INTERNAL: {
    status: 500,
    retry: 'later',
    title: 'Something went wrong that nobody expected',
    remedy: 'The log of the process that answered has the cause under the id in the detail. Please report it.',
  },
} as const satisfies Record<string, ProblemKind>
