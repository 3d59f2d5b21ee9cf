/**
 * The admin API of the site: every route of every noun in `admin/`, used by the site, the command line,
 * the console and tests. Input is strict; every refusal is a problem.
 */
import { administrationRoutes } from './admin/administration-routes.ts'
import { alarmRoutes } from './admin/alarm.ts'
import { approvalRoutes } from './admin/approval.ts'
import { collectionRoutes } from './admin/collection.ts'
import { debugRoutes } from './admin/debug.ts'
import { deploymentRoutes } from './admin/deployment.ts'
import { deviceAdminRoutes } from './admin/device.ts'
import { deviceConflictRoutes } from './admin/device-conflict.ts'
import { deviceTokenRoutes } from './admin/device-token.ts'
import { distributionRoutes } from './admin/distribution.ts'
import { distributionPointRoutes } from './admin/distribution-points.ts'
import { enrolmentRoutes } from './admin/enrolment.ts'
import { gatewayRoutes } from './admin/gateway.ts'
import { jobRoutes } from './admin/job.ts'
import { linkProxyRoutes } from './admin/link-proxy.ts'
import { organisationRoutes } from './admin/organisation.ts'
import { packageRoutes } from './admin/package.ts'
import { pointGroupRoutes } from './admin/point-group.ts'
import type { AdminRoute } from './admin/route.ts'
import { secretRoutes } from './admin/secret.ts'
import { sequenceRoutes } from './admin/sequence.ts'
import { siteRoutes } from './admin/site.ts'
import { statusRoutes } from './admin/status.ts'
import { variableRoutes } from './admin/variables.ts'
import { catalogueRoutes } from './catalogue.ts'

/** `:id` stands for the id of the thing. */
export const adminRoutes = {
  ...siteRoutes,
  ...packageRoutes,
  ...distributionRoutes,
  ...catalogueRoutes,
  ...pointGroupRoutes,
  ...distributionPointRoutes,
  ...jobRoutes,
  ...sequenceRoutes,
  ...collectionRoutes,
  ...deploymentRoutes,
  ...approvalRoutes,
  ...deviceAdminRoutes,
  ...deviceTokenRoutes,
  ...gatewayRoutes,
  ...alarmRoutes,
  ...organisationRoutes,
  ...enrolmentRoutes,
  ...deviceConflictRoutes,
  ...debugRoutes,
  ...linkProxyRoutes,
  ...secretRoutes,
  ...variableRoutes,
  ...statusRoutes,
  ...administrationRoutes,
} as const satisfies Record<string, AdminRoute>

export type AdminRouteId = keyof typeof adminRoutes
