/**
 * Conditions of steps and groups, with the fields that the original's editor shows
 * (configmgr-behaviour §3.10). What a condition means, and which kinds can be decided, is the
 * engine's business.
 */
import { z } from 'zod'
import { VariableName, VariableValue } from './variable.ts'

export const Compare = z.enum(['equals', 'notEquals', 'less', 'lessEqual', 'greater', 'greaterEqual'])
export type Compare = z.infer<typeof Compare>

export const VariableCondition = z.discriminatedUnion('operator', [
  z.strictObject({
    variable: VariableName,
    operator: z.enum(['exists', 'notExists']),
    /** Means nothing; the original's editor writes an empty one. */
    value: VariableValue.optional(),
  }),
  z.strictObject({
    variable: VariableName,
    /** With `like` and `notLike`, `*` stands for any text and `?` for one character. */
    operator: z.enum([...Compare.options, 'like', 'notLike']),
    value: VariableValue,
  }),
])

/** A file exists and, where given, has this version or was changed at this time. `%name%` is expanded in paths. */
export const FileCondition = z.strictObject({
  file: z.string().min(1).max(4000),
  version: z.strictObject({ operator: Compare, value: z.string().max(64) }).optional(),
  modified: z.strictObject({ operator: Compare, value: z.iso.datetime() }).optional(),
})

export const FolderCondition = z.strictObject({
  folder: z.string().min(1).max(4000),
  modified: z.strictObject({ operator: Compare, value: z.iso.datetime() }).optional(),
})

/** Registry setting (configmgr-behaviour §3.10). `type` counts for `exists` only. */
export const RegistryCondition = z.strictObject({
  /** Key with its root: `HKEY_LOCAL_MACHINE\\SOFTWARE\\…` */
  registry: z.string().min(1).max(4000),
  operator: z.enum(['exists', 'notExists', ...Compare.options]),
  /** Name of the value in the key. */
  value: z.string().max(4000).optional(),
  type: z
    .enum(['REG_BINARY', 'REG_DWORD', 'REG_EXPAND_SZ', 'REG_MULTI_SZ', 'REG_NONE', 'REG_QWORD', 'REG_SZ'])
    .optional(),
  data: z.string().max(4000).optional(),
})

/** Query WMI: holds when the query gives at least one row. */
export const WmiCondition = z.strictObject({
  /** The query, in WQL. */
  wmi: z.string().min(1).max(16_384),
  namespace: z.string().max(4000),
  /** A query that fails counts as one without rows. */
  ignoreQueryFailure: z.boolean().optional(),
})

/** Operating system version as the original's editor writes it: one of these platforms, each told by its queries. */
export const OsPlatformsCondition = z.strictObject({
  osPlatforms: z
    .array(
      z.strictObject({
        name: z.string().max(1000),
        /** What the editor shows: `arch`, `type`, `minVer`, `maxVer`. */
        key: z.record(z.string().max(256), z.string().max(1000)),
        queries: z.array(WmiCondition).min(1).max(100),
      }),
    )
    .min(1)
    .max(1000),
})

/** Operating system version as the Microsoft Deployment Toolkit writes it. */
export const OsVersionCondition = z.strictObject({
  osVersion: z.string().max(1000),
  architecture: z.string().max(1000),
  operator: Compare,
})

/** Installed software: this product, or any version with the upgrade code. */
export const SoftwareCondition = z.strictObject({
  /** Name of the product. */
  software: z.string().max(4000),
  operator: z.enum(['thisVersion', 'anyVersion']),
  productCode: z.string().max(4000).optional(),
  upgradeCode: z.string().max(4000).optional(),
  version: z.string().max(4000).optional(),
})

/** A condition without anything in it: it always holds. */
export const AlwaysCondition = z.strictObject({ always: z.literal(true) })

/** A condition of a kind that is not known here: its XML, for people and for export. It is never evaluated. */
export const KeptCondition = z.strictObject({ kept: z.string().min(1).max(200_000) })

export type Condition =
  | z.infer<typeof VariableCondition>
  | z.infer<typeof FileCondition>
  | z.infer<typeof FolderCondition>
  | z.infer<typeof RegistryCondition>
  | z.infer<typeof WmiCondition>
  | z.infer<typeof OsPlatformsCondition>
  | z.infer<typeof OsVersionCondition>
  | z.infer<typeof SoftwareCondition>
  | z.infer<typeof AlwaysCondition>
  | z.infer<typeof KeptCondition>
  | { all: Condition[] }
  | { any: Condition[] }
  | { none: Condition[] }

export const Condition: z.ZodType<Condition> = z.lazy(() =>
  z.union([
    VariableCondition,
    FileCondition,
    FolderCondition,
    z.strictObject({ all: z.array(Condition).min(1).max(1000) }),
    z.strictObject({ any: z.array(Condition).min(1).max(1000) }),
    z.strictObject({ none: z.array(Condition).min(1).max(1000) }),
    RegistryCondition,
    WmiCondition,
    OsPlatformsCondition,
    OsVersionCondition,
    SoftwareCondition,
    AlwaysCondition,
    KeptCondition,
  ]),
)
