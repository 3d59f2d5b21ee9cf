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

/** Operating system version, as the Microsoft Deployment Toolkit writes it: of Windows, unless said otherwise. */
export const OsVersionCondition = z.strictObject({
  osVersion: z.string().max(1000),
  /** `X86` or `X64`; empty: any. */
  architecture: z.string().max(1000),
  operator: Compare,
  platform: z.enum(['linux', 'windows']).optional(),
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

/** Make and model of the device; `*` stands for any text and `?` for one character. Both must match. */
export const MakeAndModelCondition = z.strictObject({
  make: z.string().min(1).max(255),
  model: z.string().min(1).max(255),
})

/** One device: any of these matches (configmgr-behaviour §3.7). */
export const ComputerCondition = z.strictObject({
  computer: z
    .strictObject({
      assetTag: z.string().max(255).optional(),
      macAddress: z.string().max(64).optional(),
      serialNumber: z.string().max(255).optional(),
      uuid: z.string().max(64).optional(),
    })
    .refine((value) => Object.keys(value).length > 0, 'at least one of assetTag, macAddress, serialNumber, uuid'),
})

/** The location of the device: one of its default gateways. */
export const DefaultGatewayCondition = z.strictObject({ defaultGateway: z.array(z.string().max(64)).min(1).max(100) })

/** Holds when the script ends with 0. It must not change anything: it may be run more than once. */
export const ScriptCondition = z.strictObject({
  script: z.string().min(1).max(100_000),
  /** As in a step *Run Script*; default `powershell` on Windows and `sh` elsewhere. */
  interpreter: z.string().min(1).max(255).optional(),
  /** Default 60; a script that takes longer fails the condition. */
  timeoutSeconds: z.int().min(1).max(600).optional(),
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
  | z.infer<typeof MakeAndModelCondition>
  | z.infer<typeof ComputerCondition>
  | z.infer<typeof DefaultGatewayCondition>
  | z.infer<typeof ScriptCondition>
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
    MakeAndModelCondition,
    ComputerCondition,
    DefaultGatewayCondition,
    ScriptCondition,
  ]),
)
