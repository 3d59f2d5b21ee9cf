/**
 * Policy: what this device shall do now. The body changes seldom and is signed when it does; each
 * poll returns a freshly signed head that names the body by hash. A device acts only on what policy
 * *and* catalogue name. Policy carries no secret and no free command.
 */
import { z } from 'zod'
import { ClientSettings } from './client-settings.ts'
import { PackageKind, PreCacheTags } from './content.ts'
import { DEBUG_ORDERS, NumberedDebugOrder } from './debug.ts'
import { DeploymentSettings, NetworkLocation } from './deployment.ts'
import { MAX_CLOUD_POINTS } from './distribution-point.ts'
import { Envelope } from './dsse.ts'
import { GatewayAddress } from './enrolment.ts'
import { AgentInfo, DeviceFacts } from './facts.ts'
import { ContentId, DeploymentId, DeviceId, PackageId, RunId, SequenceId, Sha256 } from './ids.ts'
import { PackageLabels } from './label.ts'
import { knowsField, lenient } from './lenient.ts'
import { Problem } from './problem.ts'

/** What readers of this version understand. Documents that ask for more in `minReader` are refused. */
export const POLICY_READER = 1

/** Cancelled runs that one policy names. */
export const CANCELLED_RUNS = 100

/** Paused runs that one policy names. */
export const PAUSED_RUNS = 100

/** Longest path in `crit`. */
const CRIT_LENGTH = 200

/** A file that the catalogue must list under `target` with this hash and length. */
export const CatalogueReference = z.object({
  target: z.string().max(200),
  sha256: Sha256,
  lengthBytes: z.int().positive(),
})
export type CatalogueReference = z.infer<typeof CatalogueReference>

export const PolicyPackage = z.object({
  id: PackageId,
  name: z.string().max(255),
  kind: PackageKind,
  version: z.int().positive(),
  contentId: ContentId,
  /** The manifest root, as a target of the catalogue; its SHA-256 is the content id. */
  manifest: CatalogueReference,
  /** Stored bytes of all frames of this version. */
  storedBytes: z.int().nonnegative(),
  /** Persist content in the client cache: nothing but its user removes it there. */
  persist: z.boolean().optional(),
  /** Devices for which it is fetched in advance; absent: all. */
  preCache: lenient(PreCacheTags).optional(),
  /** Where the sequence asks for packages by labels, those of this one. */
  labels: PackageLabels.optional(),
})
export type PolicyPackage = z.infer<typeof PolicyPackage>

export const PolicyDeployment = z.object({
  id: DeploymentId,
  /** Counts changes of the deployment; an older one never replaces a newer. */
  revision: z.int().positive(),
  name: z.string().max(255),
  description: z.string().max(512).optional(),
  sequenceId: SequenceId,
  /** The signed sequence: its document in canonical JSON. */
  sequence: CatalogueReference,
  settings: lenient(DeploymentSettings),
  /** Everything the sequence references, candidates included. */
  packages: z.array(PolicyPackage).max(1000),
  /** What the site already knows against it, with the setting to change. Empty: it may run. */
  refusals: z.array(Problem).max(20),
})
export type PolicyDeployment = z.infer<typeof PolicyDeployment>

/** Variables that one policy gives to runs. */
export const POLICY_VARIABLES = 1_000

/** A variable of the device or of one of its collections; masked ones are no part of policy. */
export const PolicyVariable = z.object({
  name: z.string().max(256),
  value: z.string().max(4000),
  level: z.enum(['device', 'collection']),
})
export type PolicyVariable = z.infer<typeof PolicyVariable>

export const PolicyBody = z.object({
  v: z.literal(1),
  minReader: z.int().positive(),
  /**
   * Fields that a reader must understand, by their paths, as in `clientSettings.clientCache.maxBytes`; an unknown
   * one means: do not use this policy. Other unknown fields are ignored, at every depth.
   */
  crit: z.array(z.string().max(CRIT_LENGTH)).max(64).default([]),
  deviceId: DeviceId,
  location: NetworkLocation,
  clientSettings: lenient(ClientSettings),
  /** Gateways to use, best first; replaces the list known before. */
  gateways: z.array(GatewayAddress).min(1).max(50),
  /** Origins of cloud distribution points: besides the gateways the only hosts that the device fetches content from. */
  cloudOrigins: z.array(z.url().max(2000)).max(MAX_CLOUD_POINTS).optional(),
  deployments: z.array(PolicyDeployment).max(1000),
  /** What runs that begin get besides the inputs of their deployment, each name once; absent: nothing. */
  variables: z.array(PolicyVariable).max(POLICY_VARIABLES).optional(),
  /**
   * Runs that an administrator ended: the device ends them at their next safe point. They name a run and not a
   * deployment, so that an old order never ends a later run.
   */
  cancelledRuns: z.array(RunId).max(CANCELLED_RUNS).optional(),
  /** Runs that an administrator lets rest: the device goes on with them once they are no longer listed. */
  pausedRuns: z.array(RunId).max(PAUSED_RUNS).optional(),
  /** Runs that an administrator lets go on: their user's pause ends, and he cannot pause them again. */
  resumedRuns: z.array(RunId).max(PAUSED_RUNS).optional(),
  /** What the debugger says to the run that goes on, in order; the device obeys each number once. */
  debugOrders: z.array(NumberedDebugOrder).max(DEBUG_ORDERS).optional(),
})
export type PolicyBody = z.infer<typeof PolicyBody>

export const PolicyHead = z.object({
  v: z.literal(1),
  minReader: z.int().positive(),
  crit: z.array(z.string().max(CRIT_LENGTH)).max(64).default([]),
  deviceId: DeviceId,
  /** Raised when a site is restored from a backup. */
  epoch: z.int().positive(),
  /** Rises with every body of this device within an epoch. */
  seq: z.int().positive(),
  /** SHA-256 of the body's payload bytes. */
  bodyHash: Sha256,
  /** The site's time, RFC 3339. */
  now: z.iso.datetime(),
  /** As the device sent it. */
  nonce: z.string().min(16).max(64),
  expiresAt: z.iso.datetime(),
})
export type PolicyHead = z.infer<typeof PolicyHead>

export const PolicyRequest = z.object({
  nonce: z.string().min(16).max(64),
  /** Hash of the body that the device has; the answer leaves the body out when it is still right. */
  knownBodyHash: Sha256.optional(),
  facts: DeviceFacts,
  agent: AgentInfo,
  /** Which life of the agent asks, and the how-manieth question of the device it is: what a copy cannot keep in step. */
  life: z.object({ id: z.string().min(8).max(64), question: z.int().positive() }).optional(),
})
export type PolicyRequest = z.infer<typeof PolicyRequest>

export const PolicyAnswer = z.object({
  head: Envelope,
  body: Envelope.optional(),
})
export type PolicyAnswer = z.infer<typeof PolicyAnswer>

/** Why a reader of this version must not use a signed policy document; undefined when it may. */
export function unreadable(document: unknown, schema: z.ZodObject): string | undefined {
  const asked = z
    .object({ minReader: z.int().positive(), crit: z.array(z.string().max(CRIT_LENGTH)).max(64).default([]) })
    .safeParse(document)
  if (!asked.success) return 'it does not say which readers it is for'
  const { minReader, crit } = asked.data
  if (minReader > POLICY_READER) return `it asks for reader ${minReader}, this is reader ${POLICY_READER}`
  const unknown = crit.filter((field) => !knowsField(schema, field))
  if (unknown.length > 0) return `it has fields that must be understood: ${unknown.join(', ')}`
  return undefined
}
