import type { ProblemKind } from '../problem.ts'

/** Who is asking, and may they. */
export const identityProblems = {
  NOT_AUTHENTICATED: {
    status: 401,
    retry: 'never',
    title: 'The caller did not prove who it is',
    remedy: 'A device needs its certificate, an administrator a session (`sluice login`) or a token (`--token-file`).',
  },
  FORBIDDEN: {
    status: 403,
    retry: 'never',
    title: 'The administrator may not do this',
    remedy: 'Ask somebody who may to do it, or to give you a role that allows it: `docs/administrators.md`.',
  },
  SIGN_IN_REFUSED: {
    status: 401,
    retry: 'never',
    title: 'Name, password, code or key is wrong',
    remedy: 'Try again. Who forgot the password asks another administrator: `sluice admins reset <name>`.',
  },
  SECOND_FACTOR_NEEDED: {
    status: 401,
    retry: 'now',
    title: 'The code of the authenticator app is needed too',
    remedy: 'Send it along with name and password; a recovery code does it as well.',
  },
  SIGN_IN_THROTTLED: {
    status: 429,
    retry: 'later',
    title: 'There were too many failed attempts',
    remedy: 'Wait as long as the detail says. A passkey works meanwhile.',
  },
  SIGN_IN_AGAIN: {
    status: 403,
    retry: 'never',
    title: 'For this you must have signed in a short time ago',
    remedy: 'Sign in again (`sluice login`), then repeat it within 10 minutes.',
  },
  INVITATION_REFUSED: {
    status: 403,
    retry: 'never',
    title: 'The invitation is unknown, used or expired',
    remedy: 'Ask for another one. Before there is a first administrator, every start of the site prints one.',
  },
  CERTIFICATE_EXPIRED: {
    status: 401,
    retry: 'never',
    title: 'The device certificate has expired',
    remedy: 'The agent renews it by itself for 90 days; later the device must be enrolled again.',
  },
  CERTIFICATE_REVOKED: {
    status: 403,
    retry: 'never',
    title: 'The device certificate was revoked',
    remedy:
      'If that was a mistake, stop the agent, remove its state folder and enrol it with a new token; `docs/devices.md` says how.',
  },
  DEVICE_PENDING: {
    status: 403,
    retry: 'later',
    title: 'The device waits for approval',
    remedy: 'Compare the fingerprint, then `sluice devices approve <id>`.',
  },
  DEVICE_UNKNOWN: {
    status: 403,
    retry: 'never',
    title: 'The site does not know this device',
    remedy: 'It was deleted, or belongs to another site. Enrol it again.',
  },
  KEY_OF_ANOTHER_DEVICE: {
    status: 403,
    retry: 'never',
    title: 'The certificate request is for the key of another device',
    remedy:
      'A device gets certificates for the key with which it enrolled. To enrol it anew, remove its state folder: `docs/devices.md`.',
  },
  ENROLMENT_TOKEN_REFUSED: {
    status: 403,
    retry: 'never',
    title: 'The enrolment token is unknown, used, expired or blocked',
    remedy: 'Make a new one: `sluice devices token`. Without a token the device is kept as pending.',
  },
  ORGANISATION_CERTIFICATE_REFUSED: {
    status: 403,
    retry: 'later',
    title: "The certificate of the organisation's PKI lets nobody in",
    remedy:
      'The detail says why: `docs/devices.md`, *With a certificate of your own PKI*. Often the revocation list of its authority is out of date: `sluice identity authorities`.',
  },
  DEVICE_SIGN_IN_REFUSED: {
    status: 403,
    retry: 'never',
    title: 'The sign-in lets this device not in',
    remedy:
      'The detail says why. Begin again: `sluice-agent enrol --sign-in`. Who may let devices in stands in `sluice identity sign-in`: `docs/devices.md`.',
  },
  DEVICE_BLOCKED: {
    status: 403,
    retry: 'later',
    title: 'Two computers use the identity of this device',
    remedy:
      'An administrator decides: `sluice devices conflicts`, then `sluice devices resolve`; `docs/devices.md` says how.',
  },
  SECRET_REFUSED: {
    status: 403,
    retry: 'never',
    title: 'The secret is not revealed',
    remedy:
      'The detail says why. The secret must be there (`sluice secrets list`), a step of the released sequence must name it, and each attempt of a step gets it once.',
  },
  RUN_NOT_REPORTED: {
    status: 409,
    retry: 'later',
    title: 'The site has not heard of this run yet',
    remedy: 'Nothing: the agent asks again as soon as its report of the run has arrived.',
  },
  CONTENT_TOKEN_REFUSED: {
    status: 403,
    retry: 'now',
    title: 'The content token does not allow this',
    remedy:
      'The agent asks for a new one. If it goes on, the deployment no longer covers the content, or the clock of the gateway is wrong.',
  },
  SIGNED_URL_REFUSED: {
    status: 403,
    retry: 'now',
    title: 'The signed address is expired or was changed',
    remedy: 'The agent asks for a new one. If it goes on, compare the clocks of gateway and device.',
  },
} as const satisfies Record<string, ProblemKind>
