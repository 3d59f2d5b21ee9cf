/**
 * A step type between its XML and its native fields. `read` gives the fields, or why the step can
 * only be kept; `write` puts the fields back into the XML, leaving everything else there as it is.
 * Reading what was written gives the same fields again.
 */
import type { OriginalStep, OriginalVariable, Step, StepOf, StepType } from '@sluice/protocol'
import type { Dialect } from '../original.ts'
import type { Home } from '../step-classes.ts'

export type RunnableType = Exclude<StepType, 'kept'>

type CommonField = 'type' | 'name' | 'description' | 'disabled' | 'continueOnError' | 'condition' | 'original'
/** The fields that only this type of step has. */
export type FieldsOf<T extends StepType> = Omit<StepOf<T>, CommonField>

/** Why a step is only kept. `detail`: its type runs here, but not what this one asks for. */
export interface KeptReason {
  home: Home | 'detail' | 'unknown'
  /** A sentence without its full stop. */
  why: string
}

export type ReadStep<T extends StepType> = { fields: FieldsOf<T> } | { reason: KeptReason }

export interface StepForm<T extends RunnableType> {
  type: T
  /** Class of steps that are made anew. */
  class: string
  read(original: OriginalStep): ReadStep<T>
  /** Fields that the XML has no place for are told. */
  write(fields: FieldsOf<T>, original: OriginalStep, dialect: Dialect, lost: Lost): OriginalStep
}

/** A form whose type is not known where it is used. */
export interface AnyStepForm {
  type: RunnableType
  class: string
  read(original: OriginalStep): { fields: Record<string, unknown> } | { reason: KeptReason }
  write(step: Step, original: OriginalStep, dialect: Dialect, lost: Lost): OriginalStep
}

/** The one place where fields lose and get back their type. */
export const anyForm = <T extends RunnableType>(form: StepForm<T>): AnyStepForm => ({
  type: form.type,
  class: form.class,
  read: (original) => form.read(original),
  write: (step, original, dialect, lost) => form.write(fieldsOf(step) as FieldsOf<T>, original, dialect, lost),
})

/** @param why otherwise: the XML has no place for the field */
export type Lost = (field: string, why?: string) => void

export const detail = (why: string): { reason: KeptReason } => ({ reason: { home: 'detail', why } })

/** Names that every step has; what is left of a step is its fields. */
const commonFields: readonly string[] = [
  'type',
  'name',
  'description',
  'disabled',
  'continueOnError',
  'condition',
  'original',
] satisfies CommonField[]

export const fieldsOf = (step: Step): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(step).filter(([name, value]) => !commonFields.includes(name) && value !== undefined),
  )

/** The value of a variable, by name without case; empty when it is not there. */
export const valueIn = (original: OriginalStep, name: string): string =>
  original.variables?.find((variable) => variable.name.toLowerCase() === name.toLowerCase())?.value ?? ''

export const isOn = (original: OriginalStep, name: string): boolean => /^(true|yes|1)$/i.test(valueIn(original, name))

/** What a variable that is not wanted becomes: empty where the step has it, otherwise nothing. */
export const ifThere = (original: OriginalStep, name: string): '' | undefined =>
  original.variables?.some((variable) => variable.name.toLowerCase() === name.toLowerCase()) === true ? '' : undefined

export interface VariableChange {
  name: string
  property?: string
  hidden?: true
  /** Undefined removes the variable. */
  value: string | undefined
  /** A variable that is there keeps its value. */
  onlyNew?: true
}

/**
 * The variables with these changes: present ones keep their place and what else they say, others are
 * added behind.
 */
export function withVariables(
  original: OriginalStep,
  changes: readonly VariableChange[],
): OriginalVariable[] | undefined {
  const variables = [...(original.variables ?? [])]
  for (const { value, onlyNew, ...rest } of changes) {
    const index = variables.findIndex(({ name }) => name.toLowerCase() === rest.name.toLowerCase())
    const present = variables[index]
    if (present === undefined) {
      if (value !== undefined) variables.push({ ...rest, value })
    } else if (value === undefined) variables.splice(index, 1)
    else if (onlyNew === undefined) variables[index] = { ...present, value }
  }
  return variables.length === 0 ? original.variables : variables
}

/** Attributes with these set; undefined removes one. */
export function withAttributes(
  attributes: Record<string, string>,
  changes: Record<string, string | undefined>,
): Record<string, string> {
  const all = Object.entries({ ...attributes, ...changes })
  return Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== undefined))
}

const DEFAULT_SUCCESS_CODES = '0 3010'
/** The original's editor allows 999 minutes. */
const MAX_TIMEOUT_SECONDS = 999 * 60

/** Codes separated by blanks; undefined: the default. Codes of Windows may be larger than 2^31. */
export function successCodesOf({ attributes }: OriginalStep): number[] | 'wrong' | undefined {
  const words = (attributes?.successCodeList ?? '').split(/[\s,;]+/).filter((word) => word !== '')
  if (words.length === 0 || words.join(' ') === DEFAULT_SUCCESS_CODES) return undefined
  const codes = words.map(Number)
  return codes.every((code) => Number.isSafeInteger(code)) && codes.length <= 100 ? codes : 'wrong'
}

/** Undefined: none. */
export function timeoutSecondsOf({ attributes }: OriginalStep): number | 'wrong' | undefined {
  const text = attributes?.timeout
  if (text === undefined || /^0*$/.test(text)) return undefined
  const seconds = Number(text)
  return seconds > 0 && seconds <= MAX_TIMEOUT_SECONDS ? seconds : 'wrong'
}

/** What is written on every step; present values stay. */
export function usualAttributes(
  original: OriginalStep,
  dialect: Dialect,
  usual: { runIn?: 'WinPEandFullOS' | 'FullOS'; successCodeList: string },
): Record<string, string> {
  const others: Record<string, string> = dialect === 'mdt' ? {} : { retryCount: '0', runFromNet: 'false' }
  return { ...usual, ...others, ...original.attributes }
}

/** Paths that the Microsoft Deployment Toolkit gives to its own scripts. */
export const toolkitPath = /%(scriptroot|deployroot|toolroot)%/i
