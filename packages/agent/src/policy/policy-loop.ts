/**
 * Keeps the device's policy fresh.
 *
 * Owns: when the site is asked, and what the device makes of each deployment. Does not own: whether
 * an answer may be believed (`trust/`), starting anything (`deadlines.ts`, Software Center).
 *
 *   L1. The first question is asked at once, then one each polling interval, with jitter; *sync policy
 *       now* cuts the wait short. After a failure the wait is short and grows.
 *   L2. What was accepted in an earlier life of the agent is looked at before anything is asked, so a
 *       device that is offline still offers what it may.
 *   L3. A deployment of an older revision never replaces a newer one: (epoch, seq) of the policy only
 *       rises, and the site counts revisions (REL-14).
 */
import { DeviceFacts, type PolicyRequest, type Problem, type Result } from '@sluice/protocol'
import { agentInfo } from '../agent-info.ts'
import { createBackoff } from '../backoff.ts'
import { createBell } from '../bell.ts'
import type { GatewayClient } from '../gateway-client/gateway-client.ts'
import type { Log } from '../log.ts'
import type { Platform } from '../platform/platform.ts'
import type { AcceptedPolicy } from '../trust/policy.ts'
import type { Trust } from '../trust/trust.ts'
import { catalogueReferences, type EvaluatedDeployment, evaluateDeployment } from './evaluation.ts'
import type { EvaluationReports } from './evaluation-reports.ts'

export interface PolicyLoop {
  start(): void
  /** Asks the site now, or as soon as the question under way is answered. */
  sync(): void
  /** What the device made of the last accepted policy. */
  deployments(): readonly EvaluatedDeployment[]
  stop(): Promise<void>
}

export interface PolicyLoopOptions {
  trust: Pick<Trust, 'policy' | 'catalogue' | 'time'>
  client: Pick<GatewayClient, 'call'>
  platform: Pick<Platform, 'facts'>
  reports: EvaluationReports
  log: Log
  random: () => number
  /** Numbers a question, durably, before it is asked. */
  life?: () => PolicyRequest['life']
  /** A policy was accepted, in this life of the agent or before: its gateways and settings count from now on. */
  onPolicy: (policy: AcceptedPolicy) => void
  /** Deployments were looked at. */
  onEvaluated: () => void
  /** Whether what an earlier policy named is needed no more: a run that has started keeps what it was started with. */
  mayForget: () => boolean
  /** Between two questions, however fast the interval and however often somebody clicks *sync*. */
  shortestWaitMs?: number
}

const DEFAULT_INTERVAL_MS = 3600_000
const LONGEST_RETRY_MS = 300_000
/** An unchanged catalogue is asked for again after this time, however short the polling interval. */
const CATALOGUE_AGE_MS = 30 * 60_000

export function createPolicyLoop(options: PolicyLoopOptions): PolicyLoop {
  const {
    trust,
    client,
    platform,
    reports,
    log,
    random,
    onPolicy,
    onEvaluated,
    mayForget,
    shortestWaitMs = 250,
  } = options
  const stopped = new AbortController()
  const bell = createBell()
  /** Nobody rings this one. */
  const pause = createBell()
  let running: Promise<void> | undefined
  let deployments: readonly EvaluatedDeployment[] = []
  /** The body that `deployments` is made of, when nothing of it was left open. */
  let evaluatedHash: string | undefined

  const intervalMs = () =>
    trust.policy.current()?.body.clientSettings.clientPolicy.pollingIntervalMs ?? DEFAULT_INTERVAL_MS

  async function run(): Promise<void> {
    const { signal } = stopped
    const known = trust.policy.current()
    // L2
    if (known !== undefined) {
      onPolicy(known)
      await evaluate(known, signal)
    }
    const backoff = createBackoff({ firstMs: 1_000, maxMs: LONGEST_RETRY_MS, random })
    while (!signal.aborted) {
      const obstacle = await poll(signal)
      let waitMs: number
      if (obstacle === undefined) {
        backoff.reset()
        waitMs = intervalMs() * (0.9 + 0.2 * random())
      } else {
        waitMs = Math.min(backoff.next(obstacle), Math.max(intervalMs(), 5_000, obstacle.retryAfterMs ?? 0))
        log.warn('policy could not be brought up to date', { problem: obstacle, waitMs })
      }
      await pause.wait(shortestWaitMs, signal)
      if ((await bell.wait(waitMs, signal)) === 'rung') backoff.reset()
    }
  }

  /** Undefined when policy and catalogue are fresh and everything was looked at. */
  async function poll(signal: AbortSignal): Promise<Problem | undefined> {
    const question = trust.policy.question()
    const facts = DeviceFacts.parse(await platform.facts())
    const life = options.life?.()
    const body = { ...question, facts, agent: agentInfo, ...(life === undefined ? {} : { life }) }
    const answer = await client.call('policy', { body, signal })
    if (!answer.ok) return answer.problem
    let accepted = trust.policy.accept(answer.value, question)
    if (!accepted.ok) {
      // The keys may have changed: they are listed in the catalogue's root.
      const refreshed = await refreshCatalogue(signal)
      if (!refreshed.ok) return accepted.problem
      accepted = trust.policy.accept(answer.value, question)
    }
    if (!accepted.ok) return accepted.problem
    const policy = accepted.value
    onPolicy(policy)

    const changed = policy.head.bodyHash !== evaluatedHash
    const age = trust.time.now() - (trust.catalogue.freshness()?.freshAt ?? 0)
    if (changed || age >= CATALOGUE_AGE_MS) {
      const refreshed = await refreshCatalogue(signal, policy)
      if (!refreshed.ok) {
        // What the device has of the catalogue may do for it all the same.
        await evaluate(policy, signal)
        return refreshed.problem
      }
    }
    if (changed) await evaluate(policy, signal)
    return deployments.find(({ unfinished }) => unfinished)?.refusals.at(-1)
  }

  function refreshCatalogue(signal: AbortSignal, policy?: AcceptedPolicy): Promise<Result<unknown>> {
    const names = policy && [...new Set(catalogueReferences(policy.body).map(({ target }) => target))]
    return trust.catalogue.refresh(names, signal)
  }

  async function evaluate({ head, body }: AcceptedPolicy, signal: AbortSignal): Promise<void> {
    const evaluated: EvaluatedDeployment[] = []
    for (const deployment of body.deployments)
      evaluated.push(await evaluateDeployment(deployment, body, trust.catalogue, signal))
    deployments = evaluated
    // The catalogue may list later what it does not list yet.
    const open = evaluated.some((one) => one.unfinished || one.refusals.some(({ code }) => code === 'NOT_RELEASED'))
    evaluatedHash = open ? undefined : head.bodyHash
    reports.report(evaluated)
    if (evaluatedHash !== undefined && mayForget()) await trust.catalogue.retain(catalogueReferences(body))
    log.info('deployments were looked at', {
      policy: `${head.epoch}.${head.seq}`,
      deployments: evaluated.map(({ deployment, refusals }) => [deployment.id, ...refusals.map(({ code }) => code)]),
    })
    onEvaluated()
  }

  return {
    start() {
      running ??= run().catch((error: unknown) => {
        if (!stopped.signal.aborted) throw error
      })
    },
    sync() {
      bell.ring()
    },
    deployments: () => deployments,
    async stop() {
      stopped.abort()
      await running
    },
  }
}
