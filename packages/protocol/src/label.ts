/** Labels of packages: what an administrator says of them, for steps that choose among packages. */
import { z } from 'zod'

/** Labels of one package. */
export const MAX_LABELS = 20
/** Labels that one query asks for. */
export const MAX_QUERY_LABELS = 10
/** Packages that the label queries of a sequence may bring in, all that it names counted with them. */
export const MAX_REFERENCED_PACKAGES = 500

export const LabelName = z.string().regex(/^[a-z][a-z0-9._-]{0,62}$/, 'a label such as kind, in small letters')

/** Upper and lower case do not count where it is compared. */
const labelValue = 'a value of 1 to 100 characters'
export const LabelValue = z.string().min(1, labelValue).max(100, labelValue)

const atMost = (most: number) => (labels: Record<string, string>) => Object.keys(labels).length <= most

export const PackageLabels = z
  .record(LabelName, LabelValue)
  .refine(atMost(MAX_LABELS), `found more than ${MAX_LABELS} labels`)
export type PackageLabels = z.infer<typeof PackageLabels>

/** Packages that have all of these labels with these values. */
export const LabelQuery = z
  .record(LabelName, LabelValue)
  .refine((labels) => Object.keys(labels).length > 0, 'names no label')
  .refine(atMost(MAX_QUERY_LABELS), `found more than ${MAX_QUERY_LABELS} labels`)
export type LabelQuery = z.infer<typeof LabelQuery>

/** Whether a package with these labels is meant. */
export const meetsLabels = (labels: PackageLabels | undefined, query: LabelQuery): boolean =>
  Object.entries(query).every(([name, value]) => labels?.[name]?.toLowerCase() === value.toLowerCase())

/** `kind=driver, model=X1` */
export const labelsText = (labels: PackageLabels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ')
