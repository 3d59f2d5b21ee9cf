/**
 * One schema for two readers (design §3, Compatibility): what an administrator types is read strictly, so
 * that a field that is misspelt is told; a device that reads the same thing in a signed document ignores
 * fields it does not know, unless the document names them in `crit`.
 */
import { z } from 'zod'

/** The same schema, with the same checks, that drops unknown fields at every depth. */
export function lenient<S extends z.ZodType>(schema: S): S {
  return relaxed(schema) as S
}

/** Wrappers keep what they wrap; other kinds of schemas have nothing that could be strict. */
function relaxed(schema: z.core.$ZodType): z.core.$ZodType {
  const { def } = schema._zod
  if (isA<z.core.$ZodObjectDef>(def, 'object')) {
    const shape = Object.fromEntries(Object.entries(def.shape).map(([name, field]) => [name, relaxed(field)]))
    const { catchall, ...rest } = def
    const strict = catchall?._zod.def.type === 'never'
    return z.core.clone(schema, { ...rest, shape, ...(strict || catchall === undefined ? {} : { catchall }) } as never)
  }
  if (isA<z.core.$ZodArrayDef>(def, 'array'))
    return z.core.clone(schema, { ...def, element: relaxed(def.element) } as never)
  if (isA<z.core.$ZodRecordDef>(def, 'record'))
    return z.core.clone(schema, { ...def, valueType: relaxed(def.valueType) } as never)
  if (isA<z.core.$ZodUnionDef>(def, 'union'))
    return z.core.clone(schema, { ...def, options: def.options.map(relaxed) } as never)
  if (wrappers.has(def.type)) {
    const wrapper = def as z.core.$ZodOptionalDef
    return z.core.clone(schema, { ...wrapper, innerType: relaxed(wrapper.innerType) } as never)
  }
  return schema
}

const wrappers = new Set<string>(['optional', 'nullable', 'default', 'prefault', 'nonoptional', 'readonly'])

const isA = <D extends z.core.$ZodTypeDef>(def: z.core.$ZodTypeDef, type: D['type']): def is D => def.type === type

/** Whether a schema has the field at a path such as `clientSettings.clientCache.maxBytes`; through arrays without numbers. */
export function knowsField(schema: z.core.$ZodType, path: string): boolean {
  let at: z.core.$ZodType = schema
  for (const name of path.split('.')) {
    const { def } = bare(at)._zod
    if (!isA<z.core.$ZodObjectDef>(def, 'object') || !Object.hasOwn(def.shape, name)) return false
    at = def.shape[name] ?? at
  }
  return true
}

/** What is inside of wrappers and arrays. */
function bare(schema: z.core.$ZodType): z.core.$ZodType {
  const { def } = schema._zod
  if (isA<z.core.$ZodArrayDef>(def, 'array')) return bare(def.element)
  return wrappers.has(def.type) ? bare((def as z.core.$ZodOptionalDef).innerType) : schema
}
