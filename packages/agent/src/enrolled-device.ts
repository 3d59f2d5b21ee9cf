/**
 * The part of the agent that exists once the device belongs to a site: what it trusts, its runs, and
 * the loops that keep policy, certificate and status up to date.
 */
import { join } from 'node:path'
import type { Problem, Result } from '@sluice/protocol'
import { ClientSettings, failed, ok, problem } from '@sluice/protocol'
import { createCacheReport } from './cache/cache-report.ts'
import { createCacheRows } from './cache/cache-rows.ts'
import type { AgentConfig } from './config.ts'
import type { GatewayClient } from './gateway-client/gateway-client.ts'
import type { DeviceKeys } from './identity/device-keys.ts'
import { type Identity, storeIdentity } from './identity/identity.ts'
import { createRenewal } from './identity/renewal.ts'
import type { Log } from './log.ts'
import type { Platform } from './platform/platform.ts'
import { createDeadlines } from './policy/deadlines.ts'
import { createEvaluationReports } from './policy/evaluation-reports.ts'
import { createLife } from './policy/life.ts'
import { createNotices } from './policy/notices.ts'
import { createPolicyLoop, type PolicyLoop } from './policy/policy-loop.ts'
import { createPolicyStore } from './policy/policy-store.ts'
import { createStartable, type RefusalsNow, type Startable } from './policy/startable.ts'
import type { Outbox } from './report/outbox.ts'
import { createReporter } from './report/reporter.ts'
import type { CreateRuns, Runs } from './run/runs.ts'
import { createRevealSecret } from './secrets/reveal-secret.ts'
import { createSettings } from './state/settings.ts'
import type { State } from './state/state.ts'
import { openTrust } from './trust/trust.ts'

export interface EnrolledDevice {
  identity(): Identity
  runs: Runs
  policy: PolicyLoop
  startable: Startable
  refusalsNow: RefusalsNow
  /** The organisation's name in the site's client settings. */
  organization(): string | undefined
  /** Signed time of the last policy, milliseconds since 1970. */
  policyAt(): number | undefined
  /** Lets policy, renewal, reports and deadlines begin. Runs are resumed before, by `runs.resume`. */
  start(): void
  stop(): Promise<void>
}

export interface EnrolledDeviceOptions {
  config: AgentConfig
  identity: Identity
  /** Folder of keys and identity. */
  identityFolder: string
  /** Folder for what is trusted. */
  trustFolder: string
  keys: DeviceKeys
  state: State
  platform: Platform
  client: GatewayClient
  outbox: Outbox
  createRuns: CreateRuns
  log: Log
  random: () => number
  /** Milliseconds since 1970, as the system says. */
  clock: () => number
  /** Something that Software Center shows has changed. */
  onChange: () => void
}

/** Nothing starts here. `CATALOGUE_REFUSED` when what is stored of the site is not what was pinned. */
export async function openEnrolledDevice(options: EnrolledDeviceOptions): Promise<Result<EnrolledDevice>> {
  const { config, keys, state, platform, client, outbox, log, random, onChange } = options
  let identity = options.identity
  const useIdentity = () => client.identify({ key: keys.identityPem, certificate: identity.certificate })
  client.use(identity.site.gateways, identity.site.gatewayAuthority)
  useIdentity()

  const opened = await openTrust({
    folder: options.trustFolder,
    deviceId: identity.deviceId,
    root: identity.trust.catalogueRoot,
    rootHash: identity.site.catalogueRootHash,
    fetch: (route, parameters, { maxBytes, signal }) =>
      client.call(route, { parameters, maxAnswerBytes: maxBytes, ...(signal === undefined ? {} : { signal }) }),
    store: createPolicyStore(state),
    clock: options.clock,
  })
  if (!opened.ok) return failed(opened.problem)
  const trust = opened.value
  const { catalogue, time } = trust

  const clientSettings = () => trust.policy.current()?.body.clientSettings ?? ClientSettings.parse({})
  const { deviceId } = identity
  const runs = options.createRuns({
    ...{ config, state, platform, client, catalogue, keys, clientSettings, outbox, log },
    device: { id: deviceId, site: identity.site.siteId },
    revealSecret: createRevealSecret({ deviceId, client, keys, policyKeys: catalogue.policyKeys, random }),
    now: time.now,
  })
  const mayStart = (): Problem | undefined =>
    client.revoked() ? problem('CERTIFICATE_REVOKED', 'The site shut this device out.') : trust.mayStart()
  const { startable, refusalsNow } = createStartable(mayStart, time.now)
  const reportCache = createCacheReport({
    state,
    outbox,
    cache: createCacheRows(state.db, join(config.stateFolder, 'cache')),
  })
  const policy = createPolicyLoop({
    life: createLife(createSettings(state)),
    trust,
    client,
    platform,
    reports: createEvaluationReports(state, outbox),
    log,
    random,
    onPolicy({ body }) {
      reportCache()
      for (const runId of body.cancelledRuns ?? []) runs.cancel(runId)
      runs.keepPaused(body.pausedRuns ?? [], body.resumedRuns)
      runs.debug(body.debugOrders ?? [])
      // The bundle's gateways stay as the last resort: a wrong list must not cut the device off for ever.
      const listed = new Set(body.gateways.map(({ gatewayId }) => gatewayId))
      client.useCloud(body.cloudOrigins ?? [])
      client.use([...body.gateways, ...identity.site.gateways.filter(({ gatewayId }) => !listed.has(gatewayId))])
    },
    mayForget: () => (runs.progress()?.phase ?? 'finished') === 'finished',
    onEvaluated() {
      runs.consider(policy.deployments())
      deadlines.look()
      onChange()
    },
  })
  const deadlines = createDeadlines({ deployments: policy.deployments, runs, startable, now: time.now, log })
  const renewal = createRenewal({
    identity: () => identity,
    keys,
    client,
    async replace(next) {
      await storeIdentity(options.identityFolder, next)
      identity = next
      useIdentity()
    },
    now: time.now,
    log,
    random,
  })
  const notices = createNotices({ client, sync: policy.sync, log, random })
  const reporter = createReporter({ outbox, client, log, random })

  return ok({
    identity: () => identity,
    runs,
    policy,
    startable,
    refusalsNow,
    organization: () => clientSettings().computerAgent.organizationName,
    policyAt: () => trust.policy.freshness()?.freshAt,
    start() {
      runs.onProgress(() => {
        if (runs.progress()?.phase === 'finished') {
          deadlines.look()
          reportCache()
        }
        onChange()
      })
      client.onOnline(() => {
        if (client.online()) reporter.wake()
        onChange()
      })
      // Expiry never stops a started run; revocation does (design §5).
      client.onRevoked(() => runs.cancel())
      renewal.start()
      reporter.start()
      policy.start()
      notices.start()
      deadlines.start()
    },
    async stop() {
      await Promise.all([deadlines.stop(), notices.stop(), policy.stop(), renewal.stop()])
      await runs.stop()
      await reporter.stop()
    },
  })
}
