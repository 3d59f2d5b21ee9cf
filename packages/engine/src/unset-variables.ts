/** Variables that conditions and texts use although nothing in a sequence can have set them. */
import type { Condition, Sequence, SequenceNode } from '@sluice/protocol'
import type { Fault } from './faults.ts'
import { nodesOf } from './nodes.ts'
import type { Path } from './path.ts'
import { variablesIn } from './variables.ts'

type Use = (name: string, path: Path) => void

/** Each name once, at its first place. What scripts set in ways that nobody can read here is told too. */
export function unsetVariables(sequence: Sequence): Fault[] {
  const known = knownIn(sequence)
  const warnings: Fault[] = []
  const told = new Set<string>()
  const use: Use = (name, path) => {
    const lower = name.toLowerCase()
    if (known(lower) || told.has(lower)) return
    told.add(lower)
    warnings.push({ path, message: `nothing sets the variable "${name}", and it is not declared in inputs` })
  }
  for (const { node, path } of nodesOf(sequence)) {
    if (node.condition !== undefined) usesOfCondition(node.condition, [...path, 'condition'], use)
    usesOfFields(node, path, use)
  }
  return warnings
}

/** @returns whether a name (in lower case) is set by something, or comes from elsewhere */
function knownIn(sequence: Sequence): (name: string) => boolean {
  const set = new Set([...sequence.inputs, ...(sequence.variables ?? [])].map(({ variable }) => variable.toLowerCase()))
  /** Base names of `Base01`, `Base02`, … */
  const numbered: string[] = []
  for (const { node } of nodesOf(sequence)) {
    for (const name of setBy(node)) set.add(name.toLowerCase())
    if (node.type === 'downloadPackageContent' && node.saveAs !== undefined) numbered.push(node.saveAs.toLowerCase())
    if (node.type === 'kept')
      for (const { name, value } of node.original.variables ?? [])
        if (name === 'OSDDownloadDestinationVariable') numbered.push(value.toLowerCase())
  }
  return (name) =>
    // The engine's own names, those of the original that an administrator may set, and those of Windows' environment.
    /^(_|smsts|osd|sms|ts)/.test(name) ||
    set.has(name) ||
    ofWindows.has(name) ||
    numbered.some((base) => name.startsWith(base) && /^\d\d+$/.test(name.slice(base.length)))
}

/** They stay as they are written, and the command that is started puts the values in. */
const ofWindows: ReadonlySet<string> = new Set([
  ...['windir', 'systemroot', 'systemdrive', 'programfiles', 'programdata', 'commonprogramfiles', 'comspec', 'public'],
  ...['temp', 'tmp', 'computername', 'username', 'userprofile', 'userdomain', 'appdata', 'localappdata', 'path'],
  ...[
    'allusersprofile',
    'processor_architecture',
    'number_of_processors',
    'date',
    'time',
    'random',
    'cd',
    'errorlevel',
  ],
])

/** As `sluice-ts` and the object of Configuration Manager are called in scripts and commands. */
const settingCalls = [
  /sluice-ts\s+set\s+(?:--\S+\s+)*["']?([A-Za-z][\w-]*)/gi,
  /\.Value\(\s*["']([A-Za-z][\w-]*)["']\s*\)\s*=/gi,
]

function setBy(node: SequenceNode): string[] {
  const texts = 'commandLine' in node ? [node.commandLine] : 'source' in node ? [node.source ?? ''] : []
  return [
    ...texts.flatMap((text) => settingCalls.flatMap((call) => [...text.matchAll(call)].map(([, name = '']) => name))),
    ...('outputTo' in node && node.outputTo !== undefined ? [node.outputTo] : []),
    ...(node.type === 'setVariable' ? [node.variable] : []),
    ...(node.type === 'setDynamicVariables'
      ? node.rules.flatMap(({ variables }) => variables.map(({ variable }) => variable))
      : []),
    ...(node.type === 'kept'
      ? (node.original.variables ?? []).flatMap(({ name, value }) => (name === 'VariableName' ? [value] : []))
      : []),
  ]
}

/** Fields of steps in which `%name%` is expanded. */
const expandedFields = [
  ...['value', 'commandLine', 'startIn', 'sourcePath', 'driverPath', 'message', 'parameters', 'probe', 'script'],
  ...['path'],
]

function usesOfFields(node: SequenceNode, path: Path, use: Use): void {
  const inText = (text: unknown, at: Path): void => {
    if (typeof text === 'string') for (const name of variablesIn(text)) use(name, at)
  }
  for (const field of expandedFields) inText(Reflect.get(node, field), [...path, field])
  const choice = 'package' in node ? node.package : undefined
  if (typeof choice === 'object') inText(choice.chosenBy, [...path, 'package', 'chosenBy'])
  switch (node.type) {
    case 'downloadPackageContent':
      for (const [index, one] of node.packages.entries())
        if (typeof one !== 'string') inText(one.chosenBy, [...path, 'packages', index, 'chosenBy'])
      if (typeof node.destination === 'object') inText(node.destination.path, [...path, 'destination', 'path'])
      break
    case 'setDynamicVariables':
      for (const [index, { when, variables }] of node.rules.entries()) {
        const rule: Path = [...path, 'rules', index]
        if (when !== undefined) usesOfCondition(when, [...rule, 'when'], use)
        for (const [at, { value }] of variables.entries()) inText(value, [...rule, 'variables', at, 'value'])
      }
      break
    case 'installPackage':
      for (const [index, { commandLine }] of node.programs.entries())
        inText(commandLine, [...path, 'programs', index, 'commandLine'])
      if (node.listVariable !== undefined) use(`${node.listVariable}001`, [...path, 'listVariable'])
      break
    case 'installApplication':
      for (const [index, { install, detect, requires }] of node.applications.entries()) {
        const application: Path = [...path, 'applications', index]
        inText(install, [...application, 'install'])
        usesOfCondition(detect, [...application, 'detect'], use)
        if (requires !== undefined) usesOfCondition(requires, [...application, 'requires'], use)
      }
      if (node.listVariable !== undefined) use(`${node.listVariable}01`, [...path, 'listVariable'])
      break
    default:
  }
}

function usesOfCondition(condition: Condition, path: Path, use: Use): void {
  if ('variable' in condition) use(condition.variable, [...path, 'variable'])
  for (const field of 'registry' in condition ? ['registry', 'data'] : ['value', 'file', 'folder']) {
    const text: unknown = Reflect.get(condition, field)
    if (typeof text === 'string') for (const name of variablesIn(text)) use(name, [...path, field])
  }
  for (const kind of ['all', 'any', 'none'] as const)
    if (kind in condition)
      (Reflect.get(condition, kind) as Condition[]).forEach((inner, index) => {
        usesOfCondition(inner, [...path, kind, index], use)
      })
}
