/** What task sequence variables may be called and hold. */
import { z } from 'zod'

/** Names of task sequence variables (configmgr-behaviour §3.11). Upper and lower case are the same. */
export const VariableName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_-]{0,255}$/, 'a variable name: a letter, then letters, digits, _ or -')
/** A name that a sequence or an input may set: those with a leading `_` belong to the engine. */
export const SettableVariableName = VariableName.regex(
  /^[^_]/,
  'a variable that may be set: names with a leading _ are read-only',
)
export const VariableValue = z.string().max(4000)
