/** What this device believes of its site: the catalogue and the policy, with one notion of time. */
import type { DeviceId, Problem, Result, Sha256 } from '@sluice/protocol'
import { ok } from '@sluice/protocol'
import { type Catalogue, openCatalogue } from './catalogue.ts'
import type { FetchBytes } from './catalogue-fetcher.ts'
import { createEffectiveTime, type EffectiveTime } from './effective-time.ts'
import { stale } from './freshness.ts'
import { createPolicy, type Policy, type PolicyStore } from './policy.ts'

export interface Trust {
  catalogue: Catalogue
  policy: Policy
  time: EffectiveTime
  /**
   * Why nothing new may start now: `POLICY_STALE` when policy or catalogue are too old. Running
   * sequences are not asked: they finish (design §5).
   */
  mayStart(): Problem | undefined
}

/**
 * Policy keys are those that the catalogue's root lists; the ones in an enrolment answer are for
 * people, since a gateway relays that answer.
 * @param folder of its own, below the state folder
 * @param root `SiteTrust.catalogueRoot`; @param rootHash `EnrolmentBundle.catalogueRootHash`
 * @param clock milliseconds since 1970
 * @returns `CATALOGUE_REFUSED` when the root is not the pinned one
 */
export async function openTrust(options: {
  folder: string
  deviceId: DeviceId
  root: string
  rootHash: Sha256
  fetch: FetchBytes
  store: PolicyStore
  clock: () => number
}): Promise<Result<Trust>> {
  const { folder, deviceId, root, rootHash, fetch, store, clock } = options
  const time = createEffectiveTime(clock)
  const opened = await openCatalogue({ folder, root, rootHash, fetch, time })
  if (!opened.ok) return opened
  const catalogue = opened.value
  const policy = createPolicy({ deviceId, keys: catalogue.policyKeys, store, time })
  return ok({
    catalogue,
    policy,
    time,
    mayStart() {
      const offlineStartMs = policy.current()?.body.clientSettings.offlineStartMs ?? 0
      return (
        stale('policy', policy.freshness(), offlineStartMs, time.now()) ??
        stale('catalogue', catalogue.freshness(), offlineStartMs, time.now())
      )
    },
  })
}
