/** A condition as a person would say it, on one line. */
import type { Compare, Condition } from '@sluice/protocol'

/** @returns words that end without a full stop, as in `Ring equals "fast" and there is a folder /data` */
export function conditionInWords(condition: Condition): string {
  if ('variable' in condition) return comparison(condition.variable, condition.operator, condition.value)
  if ('all' in condition) return list(condition.all, ' and ')
  if ('any' in condition) return list(condition.any, ' or ')
  if ('none' in condition) return `none of: ${condition.none.map(inside).join(', ')}`
  if ('always' in condition) return 'always'
  if ('file' in condition) return `there is a file ${condition.file}${tests(condition)}`
  if ('folder' in condition) return `there is a folder ${condition.folder}${tests(condition)}`
  if ('registry' in condition) {
    const { registry, value, operator, data } = condition
    return comparison(`the registry's ${registry}${value === undefined ? '' : ` : ${value}`}`, operator, data)
  }
  if ('wmi' in condition) return `the query ${condition.wmi} finds something`
  if ('osPlatforms' in condition) return `the system is ${condition.osPlatforms.map(({ name }) => name).join(' or ')}`
  if ('software' in condition)
    return `${condition.software} is installed${condition.operator === 'thisVersion' ? ` in version ${condition.version ?? ''}` : ''}`
  if ('osVersion' in condition) {
    const { osVersion, operator, architecture, platform = 'windows' } = condition
    return `${comparison(`the version of ${platform}`, operator, osVersion)}${architecture === '' ? '' : ` on ${architecture}`}`
  }
  if ('make' in condition) return `make is like "${condition.make}" and model like "${condition.model}"`
  if ('computer' in condition)
    return `the computer has ${Object.entries(condition.computer)
      .map(([name, value]) => `${name} ${value}`)
      .join(' or ')}`
  if ('defaultGateway' in condition) return `the default gateway is ${condition.defaultGateway.join(' or ')}`
  if ('script' in condition) return 'its script ends with 0'
  return 'a condition of a kind that nobody here knows'
}

function list(conditions: readonly Condition[], word: string): string {
  const [only] = conditions
  return conditions.length === 1 && only !== undefined ? conditionInWords(only) : conditions.map(inside).join(word)
}

/** What consists of several is put in brackets, inside others. */
const inside = (condition: Condition): string => {
  const isList =
    ('all' in condition && condition.all.length > 1) ||
    ('any' in condition && condition.any.length > 1) ||
    'none' in condition
  return isList ? `(${conditionInWords(condition)})` : conditionInWords(condition)
}

type Operator = Compare | 'exists' | 'notExists' | 'like' | 'notLike'

const comparison = (subject: string, operator: Operator, value = ''): string =>
  operator === 'exists' || operator === 'notExists'
    ? `${subject} ${words[operator]}`
    : `${subject} ${words[operator]} "${value}"`

const words: Record<Operator, string> = {
  exists: 'is there',
  notExists: 'is not there',
  equals: 'equals',
  notEquals: 'is not',
  like: 'is like',
  notLike: 'is not like',
  less: 'is less than',
  lessEqual: 'is at most',
  greater: 'is greater than',
  greaterEqual: 'is at least',
}

interface Tests {
  version?: { operator: Compare; value: string } | undefined
  modified?: { operator: Compare; value: string } | undefined
}

function tests({ version, modified }: Tests): string {
  const said = [
    ...(version === undefined ? [] : [comparison('its version', version.operator, version.value)]),
    ...(modified === undefined ? [] : [comparison('its time', modified.operator, modified.value)]),
  ]
  return said.map((one) => `, ${one}`).join('')
}
