/** The site as the commands see it: calls that give the answer or throw the problem, and names beside ids. */
import {
  type AdminAnswer,
  type AdminCall,
  type AdminClient,
  type AdminRouteId,
  CloudPointId,
  CollectionId,
  type CollectionInfo,
  createAdminClient,
  DeviceId,
  type DeviceInfo,
  DistributionPointId,
  type DistributionPointInfo,
  DistributionTarget,
  fail,
  GatewayId,
  type GatewayInfo,
  PointGroupId,
  type PointGroupInfo,
  ProblemError,
  SequenceId,
  type SequenceInfo,
} from '@sluice/protocol'
import type { Connection } from './connection.ts'
import type { HttpsFetch } from './https-fetch.ts'
import { itemsOf } from './pages.ts'

export class Site {
  readonly #client: AdminClient
  readonly #https: HttpsFetch
  readonly #signal: AbortSignal

  constructor(connection: Connection, https: HttpsFetch, signal: AbortSignal) {
    this.#https = https
    this.#signal = signal
    this.#client = createAdminClient({ baseUrl: connection.url, token: connection.token, fetch: https.fetch })
  }

  /** @throws ProblemError */
  async call<K extends AdminRouteId>(route: K, request: AdminCall<K> = {}): Promise<AdminAnswer<K>> {
    const answer = await this.#client.call(route, { signal: this.#signal, ...request })
    if (!answer.ok) throw new ProblemError(answer.problem)
    return answer.value
  }

  async gateways(wanted: string[]): Promise<GatewayId[]> {
    const all = await this.call('gateways')
    return wanted.map(
      (one) => pick<GatewayInfo>('gateway', all, GatewayId.safeParse(one).success, one, (it) => it.name).id,
    )
  }

  async cloudPoint(wanted: string): Promise<DistributionPointInfo> {
    const all = await this.call('distributionPoints')
    return pick('distribution point', all, CloudPointId.safeParse(wanted).success, wanted, (it) => it.name)
  }

  async pointGroup(wanted: string): Promise<PointGroupInfo> {
    const all = await this.call('pointGroups')
    return pick('distribution point group', all, PointGroupId.safeParse(wanted).success, wanted, (it) => it.name)
  }

  /** What may stand after `--to`: points and groups, by id or name; and the points that they mean. */
  async targets(wanted: string[]): Promise<{ to: DistributionTarget[]; points: DistributionPointId[] }> {
    const groups = await this.call('pointGroups')
    const gateways = await this.call('gateways')
    const all = [...gateways, ...(await this.call('distributionPoints')), ...groups]
    const isId = (text: string) => DistributionTarget.safeParse(text).success
    const to = wanted.map(
      (one) => pick<Point | PointGroupInfo>('distribution point', all, isId(one), one, (it) => it.name).id,
    )
    const named = to.flatMap((id) => groups.find((one) => one.id === id)?.members ?? [id as DistributionPointId])
    // A gateway that uses storage instead of its folder stands for it.
    const points = named.map((id) => gateways.find((one) => one.id === id)?.contentPoint ?? id)
    return { to, points: [...new Set(points)] }
  }

  /** Gateways and cloud distribution points, by id or name. */
  async points(wanted: string[]): Promise<DistributionPointId[]> {
    const all = [...(await this.call('gateways')), ...(await this.call('distributionPoints'))]
    const isId = (text: string) => DistributionPointId.safeParse(text).success
    return wanted.map((one) => pick<Point>('distribution point', all, isId(one), one, (it) => it.name).id)
  }

  /** Names of gateways and cloud distribution points, by id. */
  async pointNames(): Promise<PointNames> {
    const all = [...(await this.call('gateways')), ...(await this.call('distributionPoints'))]
    return new Map(all.map(({ id, name }) => [id, name]))
  }

  async sequence(wanted: string): Promise<SequenceInfo> {
    return pick('sequence', await this.call('sequences'), SequenceId.safeParse(wanted).success, wanted, (it) => it.name)
  }

  async collection(wanted: string): Promise<CollectionInfo> {
    const all = await this.call('collections')
    return pick('collection', all, CollectionId.safeParse(wanted).success, wanted, (it) => it.name)
  }

  async devices(wanted: string[]): Promise<DeviceInfo[]> {
    const found: DeviceInfo[] = []
    for (const one of wanted) {
      const isId = DeviceId.safeParse(one).success
      const all = isId
        ? [await this.call('device', { id: one })]
        : await Array.fromAsync(itemsOf(this, 'devices', { query: { name: one } }))
      found.push(pick('device', all, isId, one, (it) => it.facts.hostname))
    }
    return found
  }

  close(): void {
    this.#https.close()
  }
}

type Point = GatewayInfo | DistributionPointInfo
export type PointNames = ReadonlyMap<DistributionPointId, string>

/** By id, or by a name that only one thing has. */
function pick<T extends { id: string }>(
  what: string,
  all: readonly T[],
  isId: boolean,
  wanted: string,
  nameOf: (one: T) => string,
): T {
  const byId = isId ? all.find((one) => one.id === wanted) : undefined
  if (byId !== undefined) return byId
  const named = all.filter((one) => nameOf(one) === wanted)
  const [first] = named
  if (first === undefined) return fail('NOT_FOUND', `There is no ${what} ${wanted}.`)
  if (named.length > 1)
    return fail('CONFLICT', `Several have the name ${wanted}; give the id: ${named.map((one) => one.id).join(', ')}.`)
  return first
}
