/**
 * Task sequence variables of collections and of single devices, as administrators handle them. Masked ones
 * (*Do not display this value*) can be set and removed, and are read by nobody but the steps that name them.
 */
import { z } from 'zod'
import { CollectionId } from '../ids.ts'
import { SecretName } from '../secret.ts'
import { SettableVariableName, VariableValue } from '../variable.ts'
import { type AdminRoute, plain } from './route.ts'

/** Of one collection or one device; in the original, of a device. */
export const MAX_OWN_VARIABLES = 1_000
/** Characters of all names and values of one collection or one device. */
export const MAX_OWN_VARIABLE_TEXT = 256 * 1024

/** Of several collections that set the same variable, the highest counts. */
export const VariablePriority = z.int().min(1).max(9)

/** A masked one is asked for like a secret, so its name is one too. */
export const VariableSet = z
  .strictObject({
    name: SettableVariableName,
    /** The original takes an empty value for *no such variable*. */
    value: VariableValue.min(1),
    masked: z.boolean().default(false),
  })
  .refine(({ name, masked }) => !masked || SecretName.safeParse(name).success, {
    path: ['name'],
    error: 'the name of a masked variable: a letter, then letters, digits, _ or -; at most 100',
  })
export type VariableSet = z.infer<typeof VariableSet>

export const VariableInfo = z.object({
  name: z.string(),
  masked: z.boolean(),
  /** Absent where it is masked. */
  value: z.string().optional(),
  changedAt: z.iso.datetime(),
})
export type VariableInfo = z.infer<typeof VariableInfo>

export const CollectionVariables = z.object({
  collectionId: CollectionId,
  priority: VariablePriority,
  /** By name. */
  variables: z.array(VariableInfo),
})
export type CollectionVariables = z.infer<typeof CollectionVariables>

/** A variable that the runs of a device have, and who gives it. */
export const EffectiveVariable = VariableInfo.extend({ from: z.union([z.literal('device'), CollectionId]) })
export type EffectiveVariable = z.infer<typeof EffectiveVariable>

export const DeviceVariables = z.object({
  /** Its own, by name. */
  variables: z.array(VariableInfo),
  /** What its runs have: its own, and those of its collections that it does not set itself. */
  effective: z.array(EffectiveVariable),
})
export type DeviceVariables = z.infer<typeof DeviceVariables>

const VariableRemove = z.strictObject({ name: SettableVariableName })
const collection = '/admin/v1/collections/:id'
const device = '/admin/v1/devices/:id'

export const variableRoutes = {
  /** A collection is meant by id or name, as elsewhere. */
  collectionVariables: { method: 'GET', path: `${collection}/variables`, ...plain, answer: CollectionVariables },
  setCollectionVariable: {
    method: 'PUT',
    path: `${collection}/variables`,
    ...plain,
    body: VariableSet,
    answer: CollectionVariables,
  },
  removeCollectionVariable: {
    method: 'POST',
    path: `${collection}/variables/remove`,
    ...plain,
    body: VariableRemove,
    answer: CollectionVariables,
  },
  setVariablePriority: {
    method: 'PUT',
    path: `${collection}/variable-priority`,
    ...plain,
    body: z.strictObject({ priority: VariablePriority }),
    answer: CollectionVariables,
  },
  deviceVariables: { method: 'GET', path: `${device}/variables`, ...plain, answer: DeviceVariables },
  setDeviceVariable: {
    method: 'PUT',
    path: `${device}/variables`,
    ...plain,
    body: VariableSet,
    answer: DeviceVariables,
  },
  removeDeviceVariable: {
    method: 'POST',
    path: `${device}/variables/remove`,
    ...plain,
    body: VariableRemove,
    answer: DeviceVariables,
  },
} as const satisfies Record<string, AdminRoute>
