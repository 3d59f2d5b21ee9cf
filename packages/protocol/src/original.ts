/**
 * What imported sequences were in Configuration Manager's or the Microsoft Deployment Toolkit's XML.
 * Nothing of it is ever run: it is shown, and written back on export as far as the native fields
 * beside it still say the same.
 */
import { z } from 'zod'

const nameStart =
  ':A-Z_a-z\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u02ff\\u0370-\\u037d\\u037f-\\u1fff\\u200c\\u200d\\u2070-\\u218f\\u2c00-\\u2fef\\u3001-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\ufffd\\u{10000}-\\u{effff}'
/** A name as XML allows it for attributes. */
const XmlName = z
  .string()
  .max(256)
  .regex(new RegExp(`^[${nameStart}][${nameStart}.0-9\\u00b7\\u0300-\\u036f\\u203f\\u2040-]*$`, 'u'), 'a name of XML')
const OriginalAttributes = z.record(XmlName, z.string().max(100_000))

/** A variable of a step or sequence in the original's XML. */
export const OriginalVariable = z.strictObject({
  name: z.string().max(1000),
  value: z.string().max(2_000_000),
  /** Property of the step's class that the variable stands for. */
  property: z.string().max(1000).optional(),
  /** For the editor only; its effect is in the action already. */
  hidden: z.boolean().optional(),
  attributes: OriginalAttributes.optional(),
})
export type OriginalVariable = z.infer<typeof OriginalVariable>

/**
 * What a step or group was in the XML that it came from. Nothing of it is ever run: it is shown,
 * and written back on export as far as the fields beside it still say the same.
 */
export const OriginalStep = z.strictObject({
  /** The attribute `type`; absent on plain command lines of the Microsoft Deployment Toolkit. */
  class: z.string().max(256).optional(),
  /** Name of the element, where it is not `step`. */
  element: z.literal('subtasksequence').optional(),
  /** Attributes that have no field of their own. */
  attributes: OriginalAttributes.optional(),
  /** The command line that the original runs. */
  action: z.string().max(200_000).optional(),
  variables: z.array(OriginalVariable).max(20_000).optional(),
  /** XML of elements that nobody here knows. */
  more: z.array(z.string().max(200_000)).max(1000).optional(),
})
export type OriginalStep = z.infer<typeof OriginalStep>

/** Where an imported sequence comes from; for people and for export. */
export const OriginalSequence = z.strictObject({
  /** `mdt`: the Microsoft Deployment Toolkit. */
  dialect: z.enum(['configMgr', 'mdt']),
  /** Version of the XML: 3.00 or 3.10. */
  version: z.string().max(64).optional(),
  attributes: OriginalAttributes.optional(),
  /** Properties of the task sequence package, as in `PackageID`. */
  properties: z.record(z.string().min(1).max(256), z.string().max(100_000)).optional(),
  /** The list of references, which the original keeps for the distribution of content. */
  references: z.array(OriginalAttributes).max(20_000).optional(),
  /** Variables that the original sets once at the start. */
  globalVariables: z.array(OriginalVariable).max(20_000).optional(),
  more: z.array(z.string().max(200_000)).max(1000).optional(),
})
export type OriginalSequence = z.infer<typeof OriginalSequence>
