import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Condition } from '@sluice/protocol'
import { readCondition, writeCondition } from './conditions.ts'
import { readXml } from './read-xml.ts'
import { writeXml } from './write-xml.ts'

function condition(inside: string): Condition {
  const read = readXml(`<condition>${inside}</condition>`, { file: '', line: 1, column: 1, exact: true })
  assert.ok(read.ok)
  return readCondition([read.value.root])
}
const expression = (kind: string, variables: Record<string, string>, attributes = ''): string =>
  `<expression type="SMS_TaskSequence_${kind}ConditionExpression"${attributes}>${Object.entries(variables)
    .map(([name, value]) => `<variable name="${name}">${value}</variable>`)
    .join('')}</expression>`
const a = expression('Variable', { Operator: 'exists', Variable: 'A' })
const A = { variable: 'A', operator: 'exists' }

test('every kind of expression has its native form', () => {
  const table: [string, Condition][] = [
    [
      expression('Variable', { Operator: 'notEquals', Value: 'TRUE', Variable: '_SMSTSInWinPE' }),
      { variable: '_SMSTSInWinPE', operator: 'notEquals', value: 'TRUE' },
    ],
    [
      expression('Variable', { Operator: 'like', Value: '*Dell*', Variable: 'Make' }),
      { variable: 'Make', operator: 'like', value: '*Dell*' },
    ],
    [
      expression(
        'WMI',
        { Namespace: 'root\\cimv2', Query: 'SELECT * FROM X WHERE Y LIKE "%Z%"' },
        ' ignoreQueryFailure="true"',
      ),
      { wmi: 'SELECT * FROM X WHERE Y LIKE "%Z%"', namespace: 'root\\cimv2', ignoreQueryFailure: true },
    ],
    [expression('Folder', { Path: '%Root%\\Drivers' }), { folder: '%Root%\\Drivers' }],
    [
      expression('File', { Path: 'C:\\a.exe', Version: '1.2', VersionOperator: 'greater' }),
      { file: 'C:\\a.exe', version: { operator: 'greater', value: '1.2' } },
    ],
    [
      expression('Registry', {
        Data: 'SUCCESS',
        KeyPath: 'HKEY_LOCAL_MACHINE\\X',
        Operator: 'equals',
        Type: 'REG_SZ',
        Value: 'Y',
      }),
      { registry: 'HKEY_LOCAL_MACHINE\\X', operator: 'equals', value: 'Y', type: 'REG_SZ', data: 'SUCCESS' },
    ],
    [
      expression('OS', { Architecture: 'X64', Version: '6.10.7601.1', Operator: 'greaterEqual' }),
      { osVersion: '6.10.7601.1', architecture: 'X64', operator: 'greaterEqual' },
    ],
    [
      expression('Software', {
        Operator: 'ThisVersion',
        ProductCode: '{1}',
        ProductName: 'P',
        UpgradeCode: '{2}',
        Version: '3',
      }),
      { software: 'P', operator: 'thisVersion', productCode: '{1}', upgradeCode: '{2}', version: '3' },
    ],
  ]
  for (const [xml, expected] of table) {
    assert.deepEqual(condition(xml), expected)
    assert.equal(writeXml(writeCondition(expected)), `<condition>${xml.replaceAll('"%Z%"', '"%Z%"')}</condition>`)
  }
})

test('operators, nested; a condition is an AND of what is in it, and nothing in it always holds', () => {
  assert.deepEqual(condition(''), { always: true })
  assert.deepEqual(condition(a), A)
  assert.deepEqual(condition(a + a), { all: [A, A] })
  assert.deepEqual(condition(`<operator type="and">${a}</operator>`), { all: [A] })
  assert.deepEqual(condition(`<operator type="or">${a}<operator type="not">${a}${a}</operator></operator>`), {
    any: [A, { none: [A, A] }],
  })
  assert.deepEqual(condition('<operator type="and"/>'), { always: true })
  assert.deepEqual(condition('<operator type="or"/>'), { kept: '<operator type="or"/>' })
})

test('spellings that mean the same are made one', () => {
  const odd = expression('Variable', { Variable: ' A ', Operator: 'Equals', Value: '\n   ' })
  assert.deepEqual(condition(odd), { variable: 'A', operator: 'equals', value: '' })
  assert.deepEqual(condition(expression('Registry', { KeyPath: 'K', Operator: 'nonExists' })), {
    registry: 'K',
    operator: 'notExists',
  })
  assert.deepEqual(condition(expression('Variable', { Operator: 'notExists', Value: '', Variable: 'A' })), {
    variable: 'A',
    operator: 'notExists',
    value: '',
  })
})

test('platforms of the console', () => {
  const platform =
    '<osConditionGroup type="or"><osExpressionGroup type="and" name="Windows 10 (64-bit)"><platformKey arch="x64" type="Win_NT" minVer="10.0" maxVer="10.1"/>' +
    `${expression('WMI', { Namespace: 'root\\cimv2', Query: 'SELECT * FROM X' }, ' ignoreQueryFailure="true"')}</osExpressionGroup></osConditionGroup>`
  const expected: Condition = {
    osPlatforms: [
      {
        name: 'Windows 10 (64-bit)',
        key: { arch: 'x64', type: 'Win_NT', minVer: '10.0', maxVer: '10.1' },
        queries: [{ wmi: 'SELECT * FROM X', namespace: 'root\\cimv2', ignoreQueryFailure: true }],
      },
    ],
  }
  assert.deepEqual(condition(platform), expected)
  assert.equal(writeXml(writeCondition(expected)), `<condition>${platform}</condition>`)
})

test('what is not understood to the last attribute is kept as it is, never guessed', () => {
  const strange = [
    expression('Variable', { Operator: 'equals', Variable: 'A' }),
    expression('Variable', { Operator: 'resembles', Value: 'x', Variable: 'A' }),
    expression('Variable', { Operator: 'exists', Variable: '%A%01' }),
    expression('Variable', { Operator: 'exists', Variable: 'A', Extra: 'x' }),
    expression('Variable', { Operator: 'exists', Variable: 'A' }, ' vendor="1"'),
    expression('File', { Path: 'x', DateTime: '20260101', DateTimeOperator: 'less' }),
    expression('Registry', { KeyPath: 'K', Operator: 'exists', Type: 'REG_LINK' }),
    expression('Vendor', { A: 'b' }),
    `<operator type="xor">${a}</operator>`,
    '<vendorCondition><x>y</x></vendorCondition>',
  ]
  for (const xml of strange) {
    const kept = condition(xml)
    assert.deepEqual(kept, { kept: xml })
    assert.equal(writeXml(writeCondition(kept)), `<condition>${xml}</condition>`)
  }
})
