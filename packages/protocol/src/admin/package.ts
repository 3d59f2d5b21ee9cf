/** Packages as administrators handle them: imported, updated, described, compared, deleted. */
import { z } from 'zod'
import { ReleaseState } from '../catalogue.ts'
import { PackageKind } from '../content.ts'
import { ContentTarget } from '../facts.ts'
import { ContentId, JobId, PackageId } from '../ids.ts'
import { PackageLabels } from '../label.ts'
import { PackageCosts, PackageCostsRequest } from './package-costs.ts'
import { CollectionReport, PackageDelete, PackageDeleted } from './package-delete.ts'
import { PackageDiff, PackageDiffRequest } from './package-diff.ts'
import { PackageDistribution } from './package-distribution.ts'
import { PackageOptions } from './package-options.ts'
import { type AdminRoute, Name, plain } from './route.ts'

const Folder = z.string().min(1).max(4000)

export const PackageImport = z.strictObject({
  /** Chosen by the site when absent. */
  id: PackageId.optional(),
  name: Name,
  kind: PackageKind,
  target: ContentTarget,
  /** Absolute path of a folder or an archive that the site can read. */
  folder: Folder,
  /** Paths that many programs on Windows cannot open are refused, not only listed. */
  refuseLongPaths: z.boolean().optional(),
  labels: PackageLabels.optional(),
})
export type PackageImport = z.infer<typeof PackageImport>

export const PackageUpdate = z.strictObject({
  folder: Folder,
  /** Files that look as they did are read too. */
  readAll: z.boolean().optional(),
  refuseLongPaths: z.boolean().optional(),
})

export const PackageInfo = z.object({
  id: PackageId,
  name: z.string(),
  kind: PackageKind,
  target: ContentTarget,
  /** Newest version; 0 while the first import runs. */
  version: z.int().nonnegative(),
  contentId: ContentId.optional(),
  state: ReleaseState,
  /** An imported version that no release key has signed yet; devices keep the one before. */
  waitingVersion: z.int().positive().optional(),
  fileCount: z.int().nonnegative(),
  totalBytes: z.int().nonnegative(),
  storedBytes: z.int().nonnegative(),
  /** Absent: none. */
  labels: PackageLabels.optional(),
  /** What the import could not carry: owners, ACLs, … with the first paths. */
  losses: z.array(z.string()),
  distribution: z.array(PackageDistribution),
})
export type PackageInfo = z.infer<typeof PackageInfo>

export const packageRoutes = {
  packages: { method: 'GET', path: '/admin/v1/packages', ...plain, answer: z.array(PackageInfo) },
  package: { method: 'GET', path: '/admin/v1/packages/:id', ...plain, answer: PackageInfo },
  /** Starts the import; watch the job. */
  importPackage: {
    method: 'POST',
    path: '/admin/v1/packages',
    ...plain,
    body: PackageImport,
    answer: z.object({ packageId: PackageId, jobId: JobId }),
  },
  /** Imports the folder again as the next version; unchanged bytes cost nothing. */
  updatePackage: {
    method: 'POST',
    path: '/admin/v1/packages/:id/versions',
    ...plain,
    body: PackageUpdate,
    answer: z.object({ packageId: PackageId, jobId: JobId }),
  },
  packageOptions: { method: 'GET', path: '/admin/v1/packages/:id/options', ...plain, answer: PackageOptions },
  setPackageOptions: {
    method: 'PUT',
    path: '/admin/v1/packages/:id/options',
    ...plain,
    body: PackageOptions,
    answer: PackageOptions,
  },
  /** Puts these labels in the place of those that it has. `NOT_FOUND`. */
  setPackageLabels: {
    method: 'PUT',
    path: '/admin/v1/packages/:id/labels',
    ...plain,
    body: PackageLabels,
    answer: PackageInfo,
  },
  /** What an update from one version to another costs a device. `NOT_FOUND`. */
  diffPackage: {
    method: 'POST',
    path: '/admin/v1/packages/:id/diff',
    ...plain,
    body: PackageDiffRequest,
    answer: PackageDiff,
  },
  /** What an update costs each device, by what its cache holds. `NOT_FOUND`. */
  packageCosts: {
    method: 'POST',
    path: '/admin/v1/packages/:id/costs',
    ...plain,
    body: PackageCostsRequest,
    answer: PackageCosts,
  },
  /** Refused while somebody needs it. What devices may be fetching stays until they are done. */
  deletePackage: {
    method: 'POST',
    path: '/admin/v1/packages/:id/delete',
    ...plain,
    body: PackageDelete,
    answer: PackageDeleted,
  },
  /** Collects garbage now. `BUSY` while another process of the site does. */
  collectContent: { method: 'POST', path: '/admin/v1/content/collect', ...plain, answer: CollectionReport },
} as const satisfies Record<string, AdminRoute>
