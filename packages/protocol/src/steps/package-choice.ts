/** What a step says of the packages, and of the files in them, that it needs. */
import { z } from 'zod'
import { PackageId } from '../ids.ts'
import { LabelQuery } from '../label.ts'

/** A package that is named outright, or chosen at run time among declared candidates. */
export const PackageChoice = z.union([
  PackageId,
  z.strictObject({
    /** Text with `%name%` that must come out as one of the candidates' ids. */
    chosenBy: z.string().min(1).max(4000),
    /** Ids; or labels, and every released package that has all of them is a candidate when policy is built. */
    candidates: z.union([z.array(PackageId).min(1).max(500), z.strictObject({ labels: LabelQuery })]),
  }),
])
export type PackageChoice = z.infer<typeof PackageChoice>

/**
 * Some files of a package: paths in it, with `*` for any text within a name, `?` for one character and `**`
 * for any folders. A folder stands for all that is in it.
 */
export const FilePatterns = z.array(z.string().min(1).max(260)).min(1).max(100)
