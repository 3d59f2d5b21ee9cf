/** Puts together what an administrator should look at. Nothing is stored: an alarm is there while its reason is. */
import type { Alarm, CatalogueInfo, DeviceConflict, GatewayInfo } from '@sluice/protocol'
import { expiryWarning } from '../catalogue/catalogue-info.ts'
import type { Clock } from '../clock.ts'
import type { Db } from '../db/database.ts'
import { outboundLevel } from './outbound.ts'

const LAST_DAYS = 3

/** @returns those that hold now, the critical ones first */
export function createAlarms(options: {
  db: Db
  clock: Clock
  gateways(): Promise<GatewayInfo[]>
  catalogue(): Promise<CatalogueInfo>
  conflicts?: () => Promise<DeviceConflict[]>
}): () => Promise<Alarm[]> {
  const { db, clock, gateways, catalogue, conflicts = async () => [] } = options
  return async () => {
    const now = clock.now()
    const stored = await storedBytes(db)
    const { signatures } = await catalogue()
    const alarms = [
      ...(await conflicts()).map(ofConflict),
      ...(await gateways()).flatMap((one) => ofGateway(one, stored.get(one.id) ?? 0, now)),
      ...signatures.flatMap(({ role, expiresAt, warningDays }): Alarm[] =>
        warningDays === undefined
          ? []
          : [
              {
                kind: 'signature',
                severity: warningDays <= LAST_DAYS ? 'critical' : 'warning',
                subject: role,
                text: `The signature of ${role} ends at ${expiresAt}. Sign it anew where its key is.`,
              },
            ],
      ),
    ]
    const rank = ({ severity }: Alarm) => (severity === 'critical' ? 0 : 1)
    return alarms.toSorted((a, b) => rank(a) - rank(b))
  }
}

const ofConflict = ({ deviceId, name, kind, detail }: DeviceConflict): Alarm => ({
  ...{ kind: 'device', severity: kind === 'cloned' ? 'critical' : 'warning', subject: `${name} (${deviceId})` },
  text: `${detail} Say what it is: sluice devices resolve ${deviceId} merge|new|block.`,
})

function ofGateway(one: GatewayInfo, stored: number, now: number): Alarm[] {
  const alarms: Alarm[] = []
  const say = (kind: Alarm['kind'], severity: Alarm['severity'], text: string) =>
    alarms.push({ kind, severity, subject: one.name, text })
  if (one.link.state === 'down')
    say('link', 'critical', `No link since ${one.link.since}. ${one.link.problem?.detail ?? 'It was not dialled yet.'}`)
  const end = one.certificateExpiresAt
  const days = end === undefined ? undefined : expiryWarning(Date.parse(end), now)
  if (days !== undefined)
    say(
      'certificate',
      days <= LAST_DAYS ? 'critical' : 'warning',
      `Its certificate ends at ${end}. It is renewed by itself while the link is up; else join the gateway anew.`,
    )
  const { limitBytes } = one.outbound
  const level = outboundLevel(one.outbound, one.outboundBytes)
  if (one.stoppedAt !== undefined)
    say('stopped', 'critical', `It serves no content since ${one.stoppedAt}: raise its outbound threshold to go on.`)
  else if (level !== undefined)
    say('outbound', level, `It sent ${one.outboundBytes} bytes in 14 days; the threshold is ${limitBytes}.`)
  const { storageLimitBytes } = one
  if (storageLimitBytes !== null && stored > storageLimitBytes)
    say('storage', 'warning', `${stored} bytes are distributed to it; the threshold is ${storageLimitBytes}.`)
  return alarms
}

/** By what was distributed: parts that packages share are counted for each. */
async function storedBytes(db: Db): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom('distributions')
    .select((eb) => ['point_id', eb.fn.sum<number>('present_bytes').as('bytes')])
    .groupBy('point_id')
    .execute()
  return new Map(rows.map((row) => [row.point_id, Number(row.bytes)]))
}
