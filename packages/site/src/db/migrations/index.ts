/** Every migration, in order. Only ever add at the end: names are kept in the databases. */
import type { Migration } from '../migrate.ts'
import { migration as site } from './0001-site.ts'
import { migration as content } from './0002-content.ts'
import { migration as deployments } from './0003-deployments.ts'
import { migration as gateways } from './0004-gateways.ts'
import { migration as cancellations } from './0005-cancellations.ts'
import { migration as distributionPoints } from './0006-distribution-points.ts'
import { migration as deletions } from './0007-deletions.ts'
import { migration as readAll } from './0008-read-all.ts'
import { migration as packageOptions } from './0009-package-options.ts'
import { migration as joinCodes } from './0010-join-codes.ts'
import { migration as releases } from './0011-releases.ts'
import { migration as administrators } from './0012-administrators.ts'
import { migration as organisation } from './0013-organisation.ts'
import { migration as secrets } from './0013-secrets.ts'
import { migration as scale } from './0014-scale.ts'
import { migration as pauses } from './0015-pauses.ts'
import { migration as debugging } from './0016-debugging.ts'
import { migration as variables } from './0017-variables.ts'
import { migration as enrolmentSignIn } from './0018-enrolment-sign-in.ts'
import { migration as rewriting } from './0019-rewriting.ts'
import { migration as siteCredentials } from './0020-site-credentials.ts'
import { migration as resumptions } from './0022-resumptions.ts'
import { migration as devicesToldApart } from './0023-devices-told-apart.ts'
import { migration as packageLabels } from './0024-package-labels.ts'
import { migration as pausesOfUsers } from './0025-pauses-of-users.ts'
import { migration as childrenOfSequences } from './0027-children-of-sequences.ts'
import { migration as pages } from './0028-pages.ts'

export const migrations: readonly Migration[] = [
  site,
  content,
  deployments,
  gateways,
  cancellations,
  distributionPoints,
  deletions,
  readAll,
  packageOptions,
  joinCodes,
  releases,
  administrators,
  organisation,
  secrets,
  scale,
  pauses,
  debugging,
  variables,
  enrolmentSignIn,
  rewriting,
  siteCredentials,
  resumptions,
  devicesToldApart,
  packageLabels,
  pausesOfUsers,
  childrenOfSequences,
  pages,
]
