/**
 * `sluice-agent check`: the way from this device to each of its gateways, with its own identity and
 * configuration. Reads what the agent has and changes nothing; the agent may run meanwhile.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { checkGateway, type Hop, hopLines, isFault } from '@sluice/content/gateway-check'
import {
  type ContentId,
  Envelope,
  type GatewayAddress,
  ok,
  PolicyBody,
  type Problem,
  type Result,
} from '@sluice/protocol'
import { MISUSED, type Output, readWords } from '../command-line.ts'
import { type AgentConfig, loadConfig } from '../config.ts'
import { readWayOut } from '../gateway-client/way-out.ts'
import { openDeviceKeys } from '../identity/device-keys.ts'
import { readBundle } from '../identity/enrolment.ts'
import { type Identity, loadIdentity } from '../identity/identity.ts'

const usage = `Usage: sluice-agent check --config <file.json> [--hold <seconds>] [--json]

Looks at every hop from this device to each of its gateways and on to the site, and says what is wrong and what to
change. The exit code is 1 when something is.`

const MAX_HOLD_S = 110

interface Self {
  identity: Identity | undefined
  /** PEM. */
  key: string | undefined
  gateways: readonly GatewayAddress[]
  authority: string
  contents: readonly ContentId[]
}

/** @param args after `check`. The exit code: 0 when nothing is wrong with any gateway. */
export async function checkCommand(args: string[], { out, error }: Output, signal: AbortSignal): Promise<number> {
  const options = { config: { type: 'string' }, hold: { type: 'string' }, json: { type: 'boolean' } } as const
  const words = readWords(args, { options, usage, takesWords: false }, error)
  if (words === undefined) return MISUSED
  const { values } = words
  const holdS = Number(values.hold ?? 10)
  if (values.config === undefined || !Number.isInteger(holdS) || holdS < 1 || holdS > MAX_HOLD_S) {
    error(usage)
    return MISUSED
  }
  const told = (why: Problem): number => {
    error(`${why.code}: ${why.detail}`)
    return 1
  }
  const config = await loadConfig(values.config)
  if (!config.ok) return told(config.problem)
  const self = await readSelf(config.value)
  if (!self.ok) return told(self.problem)
  const wayOut = await readWayOut(config.value)
  if (!wayOut.ok) return told(wayOut.problem)

  const { identity, key, gateways, authority, contents } = self.value
  const found: { gateway: string; faults: number; hops: Hop[] }[] = []
  for (const { name, deviceUrl, enrolmentUrl } of gateways) {
    const hops: Hop[] = []
    if (values.json !== true) out(`Gateway ${name}, ${deviceUrl}`)
    for await (const hop of checkGateway({
      ...{ deviceUrl, enrolmentUrl, authorities: [authority, ...wayOut.value.authorities] },
      credentials: identity === undefined || key === undefined ? undefined : { certificate: identity.certificate, key },
      proxyUrl: wayOut.value.proxyUrl,
      ...{ contents, holdMs: holdS * 1000, now: Date.now, signal },
    })) {
      hops.push(hop)
      if (values.json !== true) for (const line of hopLines(hop)) out(line)
    }
    found.push({ gateway: name, faults: hops.filter(isFault).length, hops })
  }
  if (values.json === true) out(JSON.stringify(found))
  return found.every(({ faults }) => faults === 0) ? 0 : 1
}

async function readSelf(config: AgentConfig): Promise<Result<Self>> {
  const folder = join(config.stateFolder, 'identity')
  // Whoever has no identity yet has no keys that this may make.
  const keys = existsSync(join(folder, 'identity.json')) ? await openDeviceKeys(folder) : undefined
  const identity = keys === undefined ? undefined : await loadIdentity(folder, keys)
  const site = identity === undefined ? await readBundle(config.enrolmentBundle) : ok(identity.site)
  if (!site.ok) return site
  const policy = readPolicy(join(config.stateFolder, 'agent.db'))
  const listed = policy?.gateways ?? []
  return ok({
    identity,
    key: keys?.identityPem,
    // As the agent does: what policy names first, and the bundle's as the last resort.
    gateways: [
      ...listed,
      ...site.value.gateways.filter(({ gatewayId }) => !listed.some((one) => one.gatewayId === gatewayId)),
    ],
    authority: site.value.gatewayAuthority,
    contents: policy?.contents ?? [],
  })
}

/** Of the policy that the agent accepted last and verified then; undefined when there is none. */
function readPolicy(file: string): { gateways: GatewayAddress[]; contents: ContentId[] } | undefined {
  if (!existsSync(file)) return undefined
  const db = new DatabaseSync(file, { readOnly: true })
  try {
    const row = db.prepare('SELECT body FROM policy').get()
    if (row === undefined) return undefined
    const { payload } = Envelope.parse(JSON.parse(String(row.body)))
    const { gateways, deployments } = PolicyBody.parse(JSON.parse(Buffer.from(payload, 'base64').toString('utf8')))
    return { gateways, contents: deployments.flatMap(({ packages }) => packages.map(({ contentId }) => contentId)) }
  } catch {
    // An older form, or a database that is being made: the gateways of the bundle are still there.
    return undefined
  } finally {
    db.close()
  }
}
