import type { ProblemKind } from '../problem.ts'

/** Why a deployment does not run on a device. Each names the setting to change. */
export const deploymentProblems = {
  INTERNET_NOT_ALLOWED: {
    status: 409,
    retry: 'never',
    title: 'The deployment does not allow devices on the internet',
    remedy: 'Turn on *Allow task sequence to run for client on the Internet* (User Experience) in the deployment.',
  },
  GATEWAY_USE_DISABLED: {
    status: 409,
    retry: 'never',
    title: 'The client settings forbid the use of a gateway',
    remedy: 'Turn on *Enable clients to use a cloud management gateway* (Cloud Services) in the client settings.',
  },
  CLOUD_CONTENT_DISABLED: {
    status: 409,
    retry: 'never',
    title: 'The client settings forbid content from cloud distribution points',
    remedy: 'Turn on *Allow access to cloud distribution point* (Cloud Services) in the client settings.',
  },
  GATEWAY_CONTENT_DISABLED: {
    status: 409,
    retry: 'never',
    title: 'The gateway does not serve content',
    remedy:
      'Turn on *Allow CMG to function as a cloud distribution point and serve content from Azure storage* for the gateway.',
  },
  ON_DEMAND_REQUIRED: {
    status: 409,
    retry: 'never',
    title: 'This sequence needs content to be downloaded while it runs',
    remedy:
      'Choose *Download content locally when needed by the running task sequence* (Distribution Points) in the deployment: a sequence with *Download Package Content* cannot be deployed otherwise.',
  },
  DIRECT_ACCESS_NOT_SUPPORTED: {
    status: 409,
    retry: 'never',
    title: 'Content in the cloud cannot be run in place',
    remedy:
      'Choose *Download content locally when needed by the running task sequence* instead of *Access content directly from a distribution point*.',
  },
  CONTENT_MISSING_IN_CLOUD: {
    status: 409,
    retry: 'later',
    title: 'A referenced package is on no content-enabled gateway or cloud distribution point',
    remedy:
      'Distribute the packages named in the detail; a sequence is not offered to internet clients before all of them are there.',
  },
  TOO_MANY_CANDIDATES: {
    status: 409,
    retry: 'never',
    title: 'The labels that a sequence asks for bring in too many packages',
    remedy: 'Let its steps ask for more labels, or take labels from packages that are not meant.',
  },
  NOT_AVAILABLE_YET: {
    status: 409,
    retry: 'later',
    title: 'The deployment is not available yet',
    remedy: 'It becomes available at the time in the detail.',
  },
  DEPLOYMENT_EXPIRED: {
    status: 409,
    retry: 'never',
    title: 'The deployment has expired',
    remedy: 'Change its expiry, or deploy again.',
  },
  PLATFORM_NOT_SUPPORTED: {
    status: 409,
    retry: 'never',
    title: 'The sequence cannot run on this device',
    remedy: 'Windows PE, PXE and task sequence media are never supported over the internet; the detail names the step.',
  },
} as const satisfies Record<string, ProblemKind>
