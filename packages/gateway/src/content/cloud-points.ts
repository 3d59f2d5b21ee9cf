/**
 * Cloud distribution points as the site last named them: opened with what reads. A point whose
 * credentials were renewed is opened anew; addresses that were signed before hold on. The libraries of
 * storage are loaded when there is a point: most gateways never need them.
 */
import type { CloudStore } from '@sluice/content/stores'
import { type CloudPointId, type GatewayPoint, type PointService, pointService } from '@sluice/protocol'
import type { SiteConfiguration } from '../settings/site-configuration.ts'

export interface CloudPoint {
  name: string
  /** Whether devices fetch from the storage itself, or through this gateway. */
  service: PointService
  store: CloudStore
}

export interface CloudPoints {
  /** Undefined when the site names no such point. */
  get(id: CloudPointId): Promise<CloudPoint | undefined>
}

export function createCloudPoints(siteConfiguration: Pick<SiteConfiguration, 'current'>): CloudPoints {
  const opened = new Map<CloudPointId, { from: GatewayPoint; point: CloudPoint }>()
  return {
    async get(id) {
      const from = siteConfiguration.current()?.distributionPoints.find(({ pointId }) => pointId === id)
      if (from === undefined) return undefined
      const known = opened.get(id)
      // The configuration is replaced whole; the same object is the same credentials.
      if (known?.from === from) return known.point
      const { openPointAccess } = await import('@sluice/content/stores')
      const point = { name: from.name, service: pointService(from.access), store: openPointAccess(from.access) }
      opened.set(id, { from, point })
      return point
    },
  }
}
