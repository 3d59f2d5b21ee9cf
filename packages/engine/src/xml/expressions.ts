/** Single conditions of each type between XML and their native form (task-sequence-xml §7). */
import { Compare, type Condition, type WmiCondition } from '@sluice/protocol'
import type { z } from 'zod'
import { childrenOf, element, firstChild, type XmlElement } from './element.ts'
import { textOf } from './original.ts'

/** Conditions that are one element in XML. */
export type Expression = Exclude<
  Condition,
  | { all: Condition[] }
  | { any: Condition[] }
  | { none: Condition[] }
  | { always: true }
  | { kept: string }
  | { defaultGateway: string[] }
  | { script: string }
>

const className = (kind: string): string => `SMS_TaskSequence_${kind}ConditionExpression`

/** What an element says as far as it is known; undefined for other types. Fields may still be wrong. */
export function readExpression(expression: XmlElement): Expression | undefined {
  if (expression.name === 'osConditionGroup') return readPlatforms(expression)
  if (expression.name !== 'expression') return undefined
  const values = new Map(
    childrenOf(expression, 'variable').map((child) => [child.attributes.get('name') ?? '', textOf(child)]),
  )
  const kind = Object.keys(readers).find((name) => className(name) === expression.attributes.get('type'))
  return kind === undefined ? undefined : readers[kind]?.(values, expression)
}

type Values = ReadonlyMap<string, string>

const readers: Record<string, (values: Values, expression: XmlElement) => Expression | undefined> = {
  Variable(values) {
    const [variable = '', value] = [values.get('Variable'), values.get('Value')]
    const operator = nameOf(values.get('Operator'), [...existence, ...Compare.options, ...likeness])
    if (operator === undefined) return undefined
    if (isIn(existence, operator)) return { variable, operator, ...(value === undefined ? {} : { value }) }
    return value === undefined ? undefined : { variable, operator, value }
  },
  WMI(values, { attributes }) {
    return readWmi(values, attributes)
  },
  File: (values) => ({ file: values.get('Path') ?? '', ...versionOf(values), ...timeOf(values) }),
  Folder: (values) => ({ folder: values.get('Path') ?? '', ...timeOf(values) }),
  Registry(values) {
    const operator = nameOf(values.get('Operator'), [...existence, ...Compare.options])
    if (operator === undefined) return undefined
    const type = nameOf(values.get('Type'), registryTypes)
    const [value, data] = [values.get('Value'), values.get('Data')]
    return {
      registry: values.get('KeyPath') ?? '',
      operator,
      ...(value === undefined ? {} : { value }),
      ...(type === undefined ? {} : { type }),
      ...(data === undefined ? {} : { data }),
    }
  },
  OS(values) {
    const operator = nameOf(values.get('Operator'), Compare.options)
    if (operator === undefined) return undefined
    return { osVersion: values.get('Version') ?? '', architecture: values.get('Architecture') ?? '', operator }
  },
  MakeModel: (values) => ({ make: values.get('Make') ?? '', model: values.get('Model') ?? '' }),
  Computer(values) {
    const optional = { assetTag: 'AssetTag', macAddress: 'MACAddress', serialNumber: 'SerialNumber', uuid: 'UUID' }
    return { computer: pick(values, optional) }
  },
  Software(values) {
    const operator = nameOf(values.get('Operator'), ['thisVersion', 'anyVersion'] as const)
    if (operator === undefined) return undefined
    const optional = { productCode: 'ProductCode', upgradeCode: 'UpgradeCode', version: 'Version' }
    return { software: values.get('ProductName') ?? '', operator, ...pick(values, optional) }
  },
}

export function writeExpression(condition: Expression): XmlElement {
  if ('variable' in condition) {
    const { variable, operator, value } = condition
    return expression('Variable', { Operator: operator, Value: value, Variable: variable })
  }
  if ('wmi' in condition) return writeWmi(condition)
  if ('file' in condition) {
    const { version, modified } = condition
    const ofVersion = { Version: version?.value, VersionOperator: version?.operator }
    return expression('File', { Path: condition.file, ...ofVersion, ...writeTime(modified) })
  }
  if ('folder' in condition) return expression('Folder', { Path: condition.folder, ...writeTime(condition.modified) })
  if ('registry' in condition) {
    const { registry, operator, value, type, data } = condition
    return expression('Registry', { Data: data, KeyPath: registry, Operator: operator, Type: type, Value: value })
  }
  if ('osVersion' in condition) {
    const { osVersion, architecture, operator } = condition
    return expression('OS', { Architecture: architecture, Version: osVersion, Operator: operator })
  }
  if ('osPlatforms' in condition) return writePlatforms(condition)
  if ('make' in condition) return expression('MakeModel', { Make: condition.make, Model: condition.model })
  if ('computer' in condition) {
    const { assetTag, macAddress, serialNumber, uuid } = condition.computer
    return expression('Computer', {
      AssetTag: assetTag,
      MACAddress: macAddress,
      SerialNumber: serialNumber,
      UUID: uuid,
    })
  }
  const { software, operator, productCode, upgradeCode, version } = condition
  return expression('Software', {
    Operator: operator === 'thisVersion' ? 'ThisVersion' : 'AnyVersion',
    ProductCode: productCode,
    ProductName: software,
    UpgradeCode: upgradeCode,
    Version: version,
  })
}

function expression(
  kind: string,
  variables: Record<string, string | undefined>,
  attributes: Record<string, string | undefined> = {},
): XmlElement {
  const present = Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const children = present.map(([name, value]) => element('variable', { name }, value))
  return element('expression', { type: className(kind), ...attributes }, children)
}

type Wmi = z.infer<typeof WmiCondition>

function readWmi(values: Values, attributes: ReadonlyMap<string, string>): Wmi {
  const ignore = attributes.get('ignoreQueryFailure')
  return {
    wmi: values.get('Query') ?? '',
    namespace: values.get('Namespace') ?? '',
    ...(ignore === undefined ? {} : { ignoreQueryFailure: ignore === 'true' }),
  }
}

const writeWmi = ({ wmi, namespace, ignoreQueryFailure }: Wmi): XmlElement =>
  expression('WMI', { Namespace: namespace, Query: wmi }, { ignoreQueryFailure: ignoreQueryFailure?.toString() })

/** Operating system version of the console: platforms, each an AND of its queries. */
function readPlatforms(group: XmlElement): Expression {
  return {
    osPlatforms: group.children.map((platform) => ({
      name: platform.attributes.get('name') ?? '',
      key: Object.fromEntries(firstChild(platform, 'platformKey')?.attributes ?? []),
      queries: childrenOf(platform, 'expression')
        .map(readExpression)
        .filter((query) => query !== undefined && 'wmi' in query),
    })),
  }
}

const writePlatforms = ({ osPlatforms }: Extract<Condition, { osPlatforms: unknown }>): XmlElement =>
  element(
    'osConditionGroup',
    { type: 'or' },
    osPlatforms.map(({ name, key, queries }) =>
      element('osExpressionGroup', { type: 'and', name }, [element('platformKey', key), ...queries.map(writeWmi)]),
    ),
  )

const versionOf = (values: Values): { version?: { operator: Compare; value: string } } => {
  const operator = nameOf(values.get('VersionOperator'), Compare.options)
  const value = values.get('Version')
  return operator === undefined || value === undefined ? {} : { version: { operator, value } }
}

const timeOf = (values: Values): { modified?: { operator: Compare; value: string } } => {
  const operator = nameOf(values.get('DateTimeOperator'), Compare.options)
  const value = values.get('DateTime')
  return operator === undefined || value === undefined ? {} : { modified: { operator, value } }
}

const writeTime = (time: { operator: Compare; value: string } | undefined): Record<string, string | undefined> => ({
  DateTime: time?.value,
  DateTimeOperator: time?.operator,
})

const existence = ['exists', 'notExists'] as const
const likeness = ['like', 'notLike'] as const
const registryTypes = [
  'REG_BINARY',
  'REG_DWORD',
  'REG_EXPAND_SZ',
  'REG_MULTI_SZ',
  'REG_NONE',
  'REG_QWORD',
  'REG_SZ',
] as const

/** One of the names, whatever its case; the documentation spells `notExists` another way (configmgr-behaviour §3.10). */
function nameOf<T extends string>(text: string | undefined, names: readonly T[]): T | undefined {
  const wanted = sameName(text ?? '')
  return names.find((name) => name.toLowerCase() === wanted)
}
const sameName = (text: string): string => text.toLowerCase().replace(/^nonexists$/, 'notexists')

const isIn = <T extends string>(names: readonly T[], name: string): name is T => names.some((one) => one === name)

const pick = <T extends string>(values: Values, fields: Record<T, string>): Partial<Record<T, string>> => {
  const picked: Partial<Record<T, string>> = {}
  for (const field of Object.keys(fields) as T[]) {
    const value = values.get(fields[field])
    if (value !== undefined) picked[field] = value
  }
  return picked
}

/** One text for all spellings of an element that mean the same: order of attributes and variables, blanks, case of operators. */
export function spelling(node: XmlElement): string {
  const attributes = [...node.attributes].map(([name, value]) => [name, value.trim()]).sort()
  if (node.name !== 'variable')
    return JSON.stringify([node.name, attributes, node.children.map(spelling).sort(), node.text.trim()])
  const isOperator = node.attributes.get('name')?.endsWith('Operator') === true
  return JSON.stringify([node.name, attributes, isOperator ? sameName(textOf(node)) : textOf(node)])
}
