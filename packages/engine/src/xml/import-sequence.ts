/**
 * One `<sequence>` as a native sequence. Every group, step, condition and variable of the XML is in the
 * result: as native fields where Sluice means the same by them, and as they are otherwise. Children
 * may stand in any order and attributes may be missing (task-sequence-xml §2, §9).
 */
import {
  type OriginalSequence,
  type OriginalVariable,
  SEQUENCE_FORMAT,
  Sequence,
  type SequenceNode,
  type SourcePlace,
} from '@sluice/protocol'
import { MAX_TEXT_LENGTH } from '../sequence/document.ts'
import { check, type Fault } from '../sequence/faults.ts'
import { secretsOf } from '../sequence/obstacles.ts'
import { formatPath, type Path } from '../sequence/path.ts'
import { applyRules } from '../sequence/rules.ts'
import { writeSequenceFile } from '../sequence/write-file.ts'
import { readCondition } from './conditions.ts'
import type { FoundSequence } from './containers.ts'
import { childrenOf, type XmlElement } from './element.ts'
import { type Finding, type FindingKind, hinders } from './findings.ts'
import { FoundSecret, placeholderOf, type SecretNames } from './found-secret.ts'
import { startVariables } from './global-variables.ts'
import { type Dialect, isNode, readCommon, readOriginal, readVariable } from './original.ts'
import { mayHoldSecret, type TakeSecret, withoutSecrets, withoutSecretValues } from './secrets.ts'
import { readStep, sayTheSame, stepForm, titleOf } from './steps/index.ts'
import { writeXml } from './write-xml.ts'

/** Groups inside each other; 6 have been seen. With conditions in them it stays within what a file may have. */
const MAX_GROUPS_DEEP = 30
const MAX_SEQUENCE_NAME = 127

const sequenceParts = ['referenceList', 'globalVarList']

/**
 * Properties of the package that say how the sequence is meant to run; the rest is the server's
 * housekeeping. Name, description and run times are native.
 */
const packageProperties = [
  'PackageID',
  'BootImageID',
  'Category',
  'CustomHighImpactHeadline',
  'CustomHighImpactSet',
  'CustomHighImpactWarning',
  'CustomHighImpactWarningInstall',
  'CustomHighImpactWarningTop',
  'CustomProgressMsg',
  'DependentProgram',
  'Duration',
  'EstimatedDownloadSizeMB',
  'EstimatedRunTimeMinutes',
  'HighImpactTaskSequence',
  'ProgramFlags',
  'RestartRequired',
  'TaskSequenceFlags',
  'TsEnabled',
  'Type',
]

/** Variables that Configuration Manager reads instead of what later steps say. */
const actionVariable =
  /^(OSDUpgrade|OSDDownload|OSDCheck|OSDSetupAdditional|SMSReboot|SMSTSRunCommandLine|WorkingDirectory$)/i
/** Variables that hold commands or their arguments. */
const commandVariable = /CommandLine$|Parameters$/i

export interface ReadSequence {
  /** Undefined when there is an error among the findings. */
  sequence: Sequence | undefined
  name: string
  findings: Finding[]
  secrets: FoundSecret[]
}

/**
 * @param fallbackName for sequences that have none in the XML
 * @param secretNames of the whole import
 */
export function readSequenceElement(
  found: FoundSequence,
  fallbackName: string,
  secretNames: SecretNames,
): ReadSequence {
  return new Reading(found, fallbackName, secretNames).read()
}

class Reading {
  readonly #root: XmlElement
  readonly #properties: Map<string, string>
  readonly #placeOf: (offset: number) => SourcePlace
  readonly #dialect: Dialect
  readonly #name: string
  readonly #findings: Finding[] = []
  readonly #secrets: FoundSecret[] = []
  readonly #secretNames: SecretNames
  /** Where nodes stand in the XML, by their path in the native form. */
  readonly #offsets = new Map<string, number>()

  constructor({ element, properties, placeOf }: FoundSequence, fallbackName: string, secretNames: SecretNames) {
    this.#secretNames = secretNames
    this.#root = element
    this.#properties = new Map(properties)
    this.#placeOf = placeOf
    // Only the toolkit names sequences inside them (task-sequence-xml §3).
    this.#dialect = element.attributes.has('name') ? 'mdt' : 'configMgr'
    const name = element.attributes.get('name')?.trim() || properties.get('Name') || fallbackName
    this.#name = name.slice(0, MAX_SEQUENCE_NAME)
    if (this.#name !== name)
      this.#tell('changed', element.offset, [], 'the name is longer than 127 characters and was cut')
  }

  read(): ReadSequence {
    const about = this.#about()
    const variables = startVariables(about.original.globalVariables ?? [])
    const value = {
      format: SEQUENCE_FORMAT,
      name: this.#name,
      ...about,
      ...(variables.length === 0 ? {} : { variables }),
      steps: this.#nodes(this.#root, ['steps'], 1),
    }
    const sequence = this.#check(value)
    const failed = this.#findings.some(({ severity }) => severity === 'error')
    return {
      sequence: failed ? undefined : sequence,
      name: this.#name,
      findings: this.#findings,
      secrets: this.#secrets,
    }
  }

  #check(value: unknown): Sequence | undefined {
    const refuse = ({ path, message }: Fault): void => {
      const text = message.replace(/^found 0 entries; .*/, 'the sequence has no groups and no steps')
      this.#tell('unusable', this.#offsetOf(path), path, text)
    }
    const checked = check(Sequence, value)
    if (!checked.ok) {
      checked.faults.slice(0, 100).forEach(refuse)
      return undefined
    }
    applyRules(checked.value).faults.slice(0, 100).forEach(refuse)
    const isLarge = JSON.stringify(value).length > MAX_TEXT_LENGTH / 4
    if (isLarge && writeSequenceFile(checked.value).length > MAX_TEXT_LENGTH)
      refuse({ path: [], message: `as a file it would be longer than ${MAX_TEXT_LENGTH} characters` })
    return checked.value
  }

  #nodes(parent: XmlElement, path: Path, depth: number): SequenceNode[] {
    const nodes = parent.children.filter(isNode)
    if (depth > MAX_GROUPS_DEEP && nodes.length > 0) {
      this.#tell('unusable', parent.offset, path, `groups are nested deeper than ${MAX_GROUPS_DEEP} levels`)
      return []
    }
    return nodes.map((node, index) => this.#node(node, [...path, index], depth))
  }

  #node(node: XmlElement, path: Path, depth: number): SequenceNode {
    this.#offsets.set(formatPath(path), node.offset)
    const isGroup = node.name === 'group'
    const original = withoutSecrets(readOriginal(node), this.#taking(node, path))
    const common = readCommon(node, isGroup ? 'Group' : titleOf(original).slice(0, 100) || 'Step')
    const conditions = childrenOf(node, 'condition')
    const shared = { ...common, ...(conditions.length === 0 ? {} : { condition: readCondition(conditions) }) }
    if ((node.attributes.get('name')?.trim() ?? '') === '')
      this.#tell('changed', node.offset, path, `a ${node.name} without a name is called "${common.name}"`)
    if (original.more !== undefined) this.#tellMore(original.more, node, path)
    if (isGroup) {
      const steps = this.#nodes(node, [...path, 'steps'], depth + 1)
      const kept = Object.keys(original).length === 0 ? {} : { original }
      return { type: 'group', ...shared, ...kept, steps }
    }
    const texts = [
      original.action ?? '',
      ...(original.variables ?? []).flatMap(({ name, value }) => (commandVariable.test(name) ? [value] : [])),
    ]
    if (texts.some(mayHoldSecret))
      this.#tell('possibleSecret', node.offset, path, 'a password seems to stand in its command: use a hidden variable')
    const read = readStep(original)
    if (read.type === 'kept') return { type: 'kept', ...shared, original } as SequenceNode
    const step = { type: read.type, ...shared, ...read.fields } as Exclude<SequenceNode, { type: 'group' | 'kept' }>
    for (const secret of secretsOf(step))
      if (!this.#secrets.some(({ suggestedName }) => suggestedName === secret))
        this.#tell(
          'missingSecret',
          node.offset,
          path,
          `the value of the secret ${secret} is not in the file: set it at the site`,
        )
    if (step.type === 'setVariable' && actionVariable.test(step.variable))
      this.#tell(
        'differs',
        node.offset,
        path,
        `${step.variable} changes what later steps do in Configuration Manager; here the fields of those steps count`,
      )
    const form = stepForm(step.type)
    const anew = form.write(step, { class: form.class }, this.#dialect, () => {})
    return sayTheSame(anew, original) ? step : { ...step, original }
  }

  #tellMore(more: readonly string[], node: XmlElement, path: Path): void {
    for (const xml of more) {
      const name = /^<([^\s/>]*)/.exec(xml)?.[1] ?? ''
      const told =
        name === 'expression' || name === 'operator'
          ? 'a condition that is not in <condition> is kept, but not applied: the original is not known to read it'
          : `<${name}> is kept, but nobody here knows what it means`
      this.#tell('notApplied', node.offset, path, told)
    }
  }

  /** Description, run times, and where the sequence comes from. */
  #about(): Pick<Partial<Sequence>, 'description' | 'estimatedRunTimeMinutes' | 'maximumRunTimeMinutes'> & {
    original: OriginalSequence
  } {
    const { version, name: _, description: own, ...attributes } = Object.fromEntries(this.#root.attributes)
    const description = own?.trim() || this.#properties.get('Description') || ''
    const maximum = this.#takeMinutes('Duration', 1, 10_080)
    const estimated = this.#takeMinutes('EstimatedRunTimeMinutes', 1, 999)
    if (version !== undefined && !/^3\.[01]0$/.test(version.trim()))
      this.#tell('differs', this.#root.offset, [], `version ${version} of the XML is not known; 3.00 and 3.10 are`)
    if (description.length > 512)
      this.#tell('changed', this.#root.offset, [], 'the description is longer than 512 characters and was cut')
    const properties = packageProperties.flatMap((each) => {
      const value = this.#properties.get(each)
      return value === undefined ? [] : [[each, value] as const]
    })
    const more = this.#root.children.filter((child) => !isNode(child) && !sequenceParts.includes(child.name))
    const kept = more.map((child) => writeXml(child))
    this.#tellMore(kept, this.#root, [])
    const references = childrenOf(this.#root, 'referenceList').flatMap((list) =>
      list.children.map((reference) => Object.fromEntries(reference.attributes)),
    )
    const globals = this.#globals()
    const original: OriginalSequence = {
      dialect: this.#dialect,
      ...(version === undefined ? {} : { version }),
      ...(Object.keys(attributes).length === 0 ? {} : { attributes }),
      ...(properties.length === 0 ? {} : { properties: Object.fromEntries(properties) }),
      ...(references.length === 0 ? {} : { references }),
      ...(globals.length === 0 ? {} : { globalVariables: globals }),
      ...(kept.length === 0 ? {} : { more: kept }),
    }
    return {
      ...(description === '' ? {} : { description: description.slice(0, 512) }),
      ...(estimated === undefined ? {} : { estimatedRunTimeMinutes: estimated }),
      ...(maximum === undefined ? {} : { maximumRunTimeMinutes: maximum }),
      original,
    }
  }

  #takeMinutes(property: string, least: number, most: number): number | undefined {
    const minutes = Number(this.#properties.get(property))
    if (!Number.isInteger(minutes) || minutes < least || minutes > most) return undefined
    this.#properties.delete(property)
    return minutes
  }

  #globals(): OriginalVariable[] {
    const lists = childrenOf(this.#root, 'globalVarList')
    const all = lists.flatMap((list) => childrenOf(list, 'variable').map(readVariable))
    return withoutSecretValues(all, this.#taking(this.#root, []))
  }

  #taking(node: XmlElement, path: Path): TakeSecret {
    return (field, value, account) => {
      const suggestedName = this.#secretNames.nameFor(field, value, account)
      const where = { place: this.#placeOf(node.offset), path: path.length === 0 ? undefined : formatPath(path) }
      this.#secrets.push(new FoundSecret({ sequence: this.#name, ...where, field, suggestedName }, value))
      this.#tell('secretRemoved', node.offset, path, `the value of ${field} stood in clear text and was removed`)
      return placeholderOf(suggestedName)
    }
  }

  #tell(kind: FindingKind, offset: number, path: Path, message: string): void {
    this.#findings.push({
      kind,
      severity: hinders(kind) ? 'error' : 'warning',
      sequence: this.#name,
      place: this.#placeOf(offset),
      ...(path.length === 0 ? {} : { path: formatPath(path) }),
      message,
    })
  }

  /** Of the node that a path lies in. */
  #offsetOf(path: Path): number {
    for (let length = path.length; length > 0; length--) {
      const offset = this.#offsets.get(formatPath(path.slice(0, length)))
      if (offset !== undefined) return offset
    }
    return this.#root.offset
  }
}
