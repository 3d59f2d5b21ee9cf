/**
 * Looks at the deployments of a policy: which of them this device may run, and why not the others.
 * The site has looked already, with what it knows; the device looks again with its own settings, with
 * the catalogue, and with what it can do (design §5, §7).
 */
import { withLabelled } from '@sluice/engine'
import {
  type CatalogueReference,
  type ClientSettings,
  deploymentRefusals,
  failed,
  ok,
  type PolicyBody,
  type PolicyDeployment,
  type PolicyVariable,
  type Problem,
  problem,
  type Result,
  readProblem,
  readSignedJson,
  Sequence,
  type SequenceNode,
} from '@sluice/protocol'
import type { Catalogue } from '../trust/catalogue.ts'

export interface EvaluatedDeployment {
  deployment: PolicyDeployment
  /** Of the same policy. */
  clientSettings: ClientSettings
  /** Of the same policy: of the device and its collections. */
  variables: readonly PolicyVariable[]
  /** Undefined where it could not be fetched or is not one that this agent understands. */
  sequence: Sequence | undefined
  /** Why it does not run here, apart from the time. Empty: it may. */
  refusals: Problem[]
  /** Something could not be looked up just now: the verdict is not the last word. */
  unfinished: boolean
}

/** Everything that a policy needs of the catalogue. */
export function catalogueReferences({ deployments }: PolicyBody): CatalogueReference[] {
  return deployments.flatMap(({ sequence, packages }) => [sequence, ...packages.map(({ manifest }) => manifest)])
}

export async function evaluateDeployment(
  deployment: PolicyDeployment,
  body: Pick<PolicyBody, 'location' | 'clientSettings' | 'variables'>,
  catalogue: Pick<Catalogue, 'fetchTarget' | 'target'>,
  signal: AbortSignal,
): Promise<EvaluatedDeployment> {
  const sequence = await fetchSequence(deployment, catalogue, signal)
  const released = await checkPackages(deployment, catalogue, signal)
  const found = [sequence, released].flatMap((result) => (result.ok ? [] : [result.problem]))
  const refusals = [
    ...deployment.refusals.map((refusal) => readProblem(refusal, 200)),
    ...deploymentRefusals({
      location: body.location,
      clientSettings: body.clientSettings,
      settings: deployment.settings,
      downloadsPackageContent: sequence.ok && downloadsPackageContent(sequence.value.steps),
      // What lies where is the site's knowledge, and in its own refusals.
      contentServed: true,
      missingPackages: [],
    }),
    ...found,
  ]
  return {
    deployment,
    clientSettings: body.clientSettings,
    variables: body.variables ?? [],
    sequence: sequence.ok ? sequence.value : undefined,
    refusals: refusals.filter(({ code }, index) => refusals.findIndex((other) => other.code === code) === index),
    unfinished: found.some(({ code }) => code !== 'NOT_RELEASED' && code !== 'PLATFORM_NOT_SUPPORTED'),
  }
}

async function fetchSequence(
  { id, sequenceId, sequence, packages }: PolicyDeployment,
  catalogue: Pick<Catalogue, 'fetchTarget'>,
  signal: AbortSignal,
): Promise<Result<Sequence>> {
  if (!sequence.target.startsWith(`sequence/${sequenceId}/`))
    return failed(problem('NOT_RELEASED', `Policy names ${sequence.target} as ${sequenceId}.`))
  const bytes = await catalogue.fetchTarget(sequence, signal)
  if (!bytes.ok) return bytes
  const json = readSignedJson(bytes.value)
  if (!json.ok) return failed(problem('NOT_RELEASED', `The sequence of ${id} is malformed: ${json.fault}.`))
  const parsed = Sequence.safeParse(json.value)
  if (parsed.success) return ok(withLabelled(parsed.data, packages))
  const [issue] = parsed.error.issues
  return failed(
    problem(
      'PLATFORM_NOT_SUPPORTED',
      `This agent does not understand the sequence at ${issue?.path.join('.')}: ${issue?.message}. A newer agent may.`,
    ),
  )
}

/** Each package's manifest root is released, and is the content that policy names. */
async function checkPackages(
  { packages }: PolicyDeployment,
  catalogue: Pick<Catalogue, 'target'>,
  signal: AbortSignal,
): Promise<Result<undefined>> {
  for (const { id, version, contentId, manifest } of packages) {
    const listed = await catalogue.target(manifest.target, signal)
    if (!listed.ok) return listed
    const { sha256, lengthBytes } = listed.value ?? {}
    // What is released as one package never passes as another (SEC-36).
    if (manifest.target !== `manifest/${id}/${version}`)
      return failed(problem('NOT_RELEASED', `Policy names ${manifest.target} as version ${version} of ${id}.`))
    if (sha256 !== manifest.sha256 || lengthBytes !== manifest.lengthBytes || sha256 !== contentId)
      return failed(
        problem('NOT_RELEASED', `The catalogue does not list version ${version} of ${id} as policy has it.`),
      )
  }
  return ok(undefined)
}

function downloadsPackageContent(nodes: readonly SequenceNode[]): boolean {
  return nodes.some((node) =>
    node.type === 'group' ? downloadsPackageContent(node.steps) : node.type === 'downloadPackageContent',
  )
}
