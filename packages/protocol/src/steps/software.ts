/** Steps of the menu *Software*: content, packages with programs, applications, updates. */
import { z } from 'zod'
import { Condition } from '../condition.ts'
import { PackageId } from '../ids.ts'
import { SettableVariableName } from '../variable.ts'
import { acting, common } from './fields.ts'
import { FilePatterns, PackageChoice } from './package-choice.ts'

/** Software > Download Package Content (configmgr-behaviour §3.5). */
export const DownloadPackageContentStep = z.strictObject({
  type: z.literal('downloadPackageContent'),
  ...common,
  packages: z.array(PackageChoice).min(1).max(100),
  /** Only these files, of each of the packages; absent: all. */
  files: FilePatterns.optional(),
  /** Save path as a variable: `MyContent` gives `MyContent01`, `MyContent02`, … in list order. */
  saveAs: SettableVariableName.optional(),
  /** If a package download fails, continue downloading other packages in the list. */
  continueOnPackageError: z.boolean().optional(),
  /**
   * Where it is put. `workingDirectory` (the default): for this run. `cache`: the client cache, where it
   * may stay. A path: a copy in `<path>/<package id>`, which is left there.
   */
  destination: z
    .union([z.enum(['workingDirectory', 'cache']), z.strictObject({ path: z.string().min(1).max(4000) })])
    .optional(),
})

/** A program of a package: what the original keeps with the package stands with the step, and is signed with it. */
const Program = z.strictObject({
  package: PackageId,
  /** As in `ABC00001:Install` of a list; upper and lower case count. */
  program: z.string().min(1).max(50),
  /** Absent in what was imported, where it is kept with the package: no device starts such a sequence. */
  commandLine: z.string().min(1).max(32_000).optional(),
  successCodes: z.array(z.int()).min(1).max(100).optional(),
})

/** Software > Install Package. Without a list every program is installed, with one those that it names, of these. */
export const InstallPackageStep = z.strictObject({
  type: z.literal('installPackage'),
  ...acting,
  programs: z.array(Program).max(100),
  /** Base name of numbered variables: `Apps001`, `Apps002`, … each with `PackageID:Program`. */
  listVariable: SettableVariableName.optional(),
  /** If a program of the list fails, continue with the others. */
  continueOnInstallError: z.boolean().optional(),
})

const Application = z.strictObject({
  /** As a list names it; upper and lower case count. */
  name: z.string().min(1).max(256),
  /** What Configuration Manager calls it, as in `ScopeId_…/Application_…`; for export. */
  id: z.string().min(1).max(256).optional(),
  package: PackageId.optional(),
  /** Absent, as `detect` is, in what was imported: no device starts such a sequence. */
  install: z.string().min(1).max(32_000).optional(),
  /** Holds when it is installed: it is then not installed again, and must hold afterwards. */
  detect: Condition.optional(),
  /** Where it does not hold, the application is passed over with a warning. */
  requires: Condition.optional(),
  successCodes: z.array(z.int()).min(1).max(100).optional(),
})

/** Software > Install Application. */
export const InstallApplicationStep = z.strictObject({
  type: z.literal('installApplication'),
  ...acting,
  applications: z.array(Application).max(100),
  /** Base name of numbered variables: `Apps01`, `Apps02`, … each with the name of an application. */
  listVariable: SettableVariableName.optional(),
  /** If an application fails, continue with the others. */
  continueOnInstallError: z.boolean().optional(),
})

/** Software > Install Software Updates, by the update tool of the operating system. */
export const InstallSoftwareUpdatesStep = z.strictObject({
  type: z.literal('installSoftwareUpdates'),
  ...acting,
  /** `mandatory` (the default): security updates. `all`: everything. */
  target: z.enum(['mandatory', 'all']).optional(),
})
