import type { StepOf } from '@sluice/protocol'
import { readCondition, writeCondition } from '../conditions.ts'
import { childrenOf, element, type XmlElement } from '../element.ts'
import { holdsPlaceholder } from '../found-secret.ts'
import { readXml } from '../read-xml.ts'
import { writeXml } from '../write-xml.ts'
import { detail, type StepForm, usualAttributes, valueIn, withVariables } from './step-form.ts'

type Rule = StepOf<'setDynamicVariables'>['rules'][number]

/** The rules are a document inside a value (task-sequence-xml §5). A rule without condition always applies. */
export const setDynamicVariables: StepForm<'setDynamicVariables'> = {
  type: 'setDynamicVariables',
  class: 'SMS_TaskSequence_SetDynamicVariablesAction',
  read(original) {
    const text = valueIn(original, 'OSDSetDynamicVariablesRules').trim()
    if (text === '') return detail('it has no rules')
    const read = readXml(text, { file: '', line: 1, column: 1, exact: false })
    if (!read.ok) return detail('its rules cannot be read')
    const { root } = read.value
    if (root.name !== 'Rules' || root.children.some(({ name }) => name !== 'Rule'))
      return detail('its rules are not what is known of them')
    const rules: Rule[] = []
    for (const rule of root.children) {
      const of = ruleOf(rule)
      if (typeof of === 'string') return detail(of)
      rules.push(of)
    }
    return { fields: { rules } }
  },
  write({ rules }, original, dialect, lost) {
    const document = element(
      'Rules',
      {},
      rules.map((rule) => ruleElement(rule, lost)),
    )
    return {
      ...original,
      attributes: usualAttributes(original, dialect, { runIn: 'WinPEandFullOS', successCodeList: '0' }),
      action: original.action ?? 'OSDSetDynamicVariables.exe',
      variables: withVariables(original, [
        { name: 'OSDSetDynamicVariablesRules', property: 'Rules', value: writeXml(document) },
      ]),
    }
  },
}

function ruleOf(rule: XmlElement): Rule | string {
  const conditions = childrenOf(rule, 'condition')
  const lists = childrenOf(rule, 'Variables')
  if (rule.children.length !== conditions.length + lists.length) return 'its rules are not what is known of them'
  const variables: Rule['variables'] = []
  for (const variable of lists.flatMap(({ children }) => children)) {
    const [name = '', value] = [variable.attributes.get('Name'), variable.text.trim()]
    const hidden = variable.attributes.get('IsSecret')?.toLowerCase() === 'true'
    if (holdsPlaceholder(value) || (hidden && value === '')) return `the secret value of ${name} is not in the file`
    variables.push({ variable: name, value, ...(hidden ? { hidden } : {}) })
  }
  return { ...(conditions.length === 0 ? {} : { when: readCondition(conditions) }), variables }
}

function ruleElement({ when, variables }: Rule, lost: (field: string, why?: string) => void): XmlElement {
  const list = variables.map(({ variable, value, hidden }) => {
    // As the original does on export.
    if (hidden === true) lost('rules', 'a hidden value is not exported')
    const secret = hidden === true ? 'true' : 'false'
    return element('Variable', { Name: variable, IsSecret: secret }, hidden === true ? '' : value)
  })
  return element('Rule', {}, [...(when === undefined ? [] : [writeCondition(when)]), element('Variables', {}, list)])
}
