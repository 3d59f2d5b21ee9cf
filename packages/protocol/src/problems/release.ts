import type { ProblemKind } from '../problem.ts'

/** Keys and releases, and the second person who must agree. */
export const releaseProblems = {
  RELEASE_REFUSED: {
    status: 409,
    retry: 'never',
    title: 'What was signed does not fit the catalogue of the site',
    remedy: 'Nothing was changed. The detail says what is wrong; run `sluice release list` and sign again.',
  },
  KEY_ELSEWHERE: {
    status: 409,
    retry: 'never',
    title: 'This key is not on the site',
    remedy: 'The site is in offline mode: use `sluice keys rotate` on the workstation that has the key.',
  },
  APPROVAL_REFUSED: {
    status: 403,
    retry: 'never',
    title: 'A deployment is approved by somebody else than who made it',
    remedy: 'Ask another administrator to approve it.',
  },
} as const satisfies Record<string, ProblemKind>
