/**
 * A deployment: a sequence for a collection, with the original's settings and the rule that says
 * whether a device may run it. The rule is one pure function, used by the site before a device is
 * ever asked, and by the device itself with what only it knows.
 */
import { z } from 'zod'
import type { ClientSettings } from './client-settings.ts'
import type { PackageId } from './ids.ts'
import { type Problem, problem } from './problem.ts'

export const DeploymentPurpose = z.enum(['available', 'required'])

/** Tab *Distribution Points*, the three deployment options (configmgr-behaviour §2.6). */
export const ContentOption = z.enum([
  /** Download content locally when needed by the running task sequence. */
  'whenNeeded',
  /** Download all content locally before starting task sequence. */
  'allBeforeStart',
  /** Access content directly from a distribution point when needed by the running task sequence. */
  'directFromDistributionPoint',
])
export type ContentOption = z.infer<typeof ContentOption>

/** Longest time that a deployment may let its users pause a run. */
export const MAX_USER_PAUSE_MS = 24 * 3600_000
/** Where users may pause and nobody says for how long. */
export const DEFAULT_USER_PAUSE_MS = 4 * 3600_000

export const DeploymentSettings = z.strictObject({
  purpose: DeploymentPurpose.default('available'),
  /** Time from which it can be started; absent: at once. */
  availableAt: z.iso.datetime().optional(),
  /** When a required deployment starts by itself. */
  deadlineAt: z.iso.datetime().optional(),
  expiresAt: z.iso.datetime().optional(),
  /** Allow task sequence to run for client on the Internet. Off in the original. */
  allowInternet: z.boolean().default(false),
  contentOption: ContentOption.default('whenNeeded'),
  /** Pre-download content for this task sequence: fetched in advance, from the time on at which it is available. */
  preCache: z.boolean().default(false),
  /** While a step runs, fetch what the next steps will surely need. */
  lookAhead: z.boolean().default(false),
  /** Milliseconds for which the device's user may let a run rest, all his pauses together; 0: not at all. */
  userPauseMs: z.int().min(0).max(MAX_USER_PAUSE_MS).default(0),
  /** Variables for the run; they reach only the inputs that the sequence declares. */
  inputs: z.record(z.string().max(256), z.string().max(4000)).default({}),
  /** How often the content of a step is tried again (`SMSTSDownloadRetryCount`). */
  downloadRetryCount: z.int().min(0).max(1000).default(2),
  /** Milliseconds between two tries (`SMSTSDownloadRetryDelay`). */
  downloadRetryDelayMs: z.int().min(0).max(3600_000).default(15_000),
})
export type DeploymentSettings = z.infer<typeof DeploymentSettings>

/** Where a device is: decided by the gateway that admitted it (design §7). */
export const NetworkLocation = z.enum(['internet', 'internal'])
export type NetworkLocation = z.infer<typeof NetworkLocation>

export interface DeploymentCircumstances {
  location: NetworkLocation
  clientSettings: ClientSettings
  settings: DeploymentSettings
  /** The sequence has a *Download Package Content* step. */
  downloadsPackageContent: boolean
  /** Whether any distribution point in reach serves content at all. */
  contentServed: boolean
  /** Referenced packages that no distribution point in reach holds. */
  missingPackages: readonly PackageId[]
}

/**
 * Every reason why a device may not run a deployment, the first to mend first; empty when it may.
 * Source of the rules: design §7; configmgr-behaviour §0, §1.8, §2.4, §2.6.
 */
export function deploymentRefusals(at: DeploymentCircumstances): Problem[] {
  const { settings, clientSettings, location } = at
  const refusals: Problem[] = []
  const internet = location === 'internet'
  if (internet && !clientSettings.cloudServices.enableGateway)
    refusals.push(
      problem(
        'GATEWAY_USE_DISABLED',
        'Client settings, Cloud Services: Enable clients to use a cloud management gateway = No.',
      ),
    )
  if (internet && !settings.allowInternet)
    refusals.push(
      problem(
        'INTERNET_NOT_ALLOWED',
        'Deployment, User Experience: Allow task sequence to run for client on the Internet = No.',
      ),
    )
  if (settings.contentOption === 'directFromDistributionPoint')
    refusals.push(
      problem(
        'DIRECT_ACCESS_NOT_SUPPORTED',
        'Deployment, Distribution Points: Access content directly from a distribution point is chosen.',
      ),
    )
  if (settings.contentOption === 'allBeforeStart' && at.downloadsPackageContent)
    refusals.push(
      problem(
        'ON_DEMAND_REQUIRED',
        'Deployment, Distribution Points: Download all content locally before starting task sequence is chosen, and the sequence has a Download Package Content step.',
      ),
    )
  if (internet && !clientSettings.cloudServices.allowCloudDistributionPoint)
    refusals.push(
      problem(
        'CLOUD_CONTENT_DISABLED',
        'Client settings, Cloud Services: Allow access to cloud distribution point = No.',
      ),
    )
  if (!at.contentServed) refusals.push(problem('GATEWAY_CONTENT_DISABLED', 'No gateway in reach serves content.'))
  else if (at.missingPackages.length > 0)
    refusals.push(
      problem('CONTENT_MISSING_IN_CLOUD', `Not distributed: ${at.missingPackages.slice(0, 20).join(', ')}.`),
    )
  return refusals
}

/** Whether time allows a start now. `now` in milliseconds since 1970, as the device's signed time says. */
export function deploymentTiming(settings: DeploymentSettings, now: number): Problem | undefined {
  if (settings.expiresAt !== undefined && now >= Date.parse(settings.expiresAt))
    return problem('DEPLOYMENT_EXPIRED', `It expired at ${settings.expiresAt}.`)
  if (settings.availableAt !== undefined && now < Date.parse(settings.availableAt))
    return problem('NOT_AVAILABLE_YET', `It becomes available at ${settings.availableAt}.`, {
      retryAfterMs: Date.parse(settings.availableAt) - now,
    })
  return undefined
}
