/**
 * Rules of a sequence that its schema cannot say: faults hinder it from being stored, warnings only
 * tell the author.
 */
import type { Condition, Sequence, SequenceNode } from '@sluice/protocol'
import { splitCommandLine } from '../run/command-words.ts'
import { variablesIn } from '../run/variables.ts'
import type { Fault } from './faults.ts'
import { nodesOf } from './nodes.ts'
import { obstacles } from './obstacles.ts'
import type { Path } from './path.ts'
import { compilePattern } from './pattern.ts'

/** Groups count twice, for their start and their end; a run of more is refused. */
export const MAX_INSTRUCTIONS = 20_000

export interface Findings {
  faults: Fault[]
  warnings: Fault[]
}

export function applyRules(sequence: Sequence): Findings {
  const findings: Findings = { faults: [], warnings: [] }
  checkInputs(sequence, findings)
  let instructions = 0
  for (const { node, path } of nodesOf(sequence)) {
    instructions += node.type === 'group' ? 2 : 1
    checkNode(node, path, findings)
  }
  if (instructions > MAX_INSTRUCTIONS)
    findings.faults.push({ path: ['steps'], message: `more than ${MAX_INSTRUCTIONS} instructions (a group takes two)` })
  if (findings.faults.length > 0) return findings
  findings.warnings.push(...obstacles(sequence).map(({ path, why }) => ({ path, message: `does not run: ${why}` })))
  findings.warnings.push(...unsetVariables(sequence))
  return findings
}

function checkInputs(sequence: Sequence, { faults }: Findings): void {
  const seen = new Set<string>()
  for (const [index, input] of sequence.inputs.entries()) {
    const path: Path = ['inputs', index]
    const name = input.variable.toLowerCase()
    if (seen.has(name))
      faults.push({
        path: [...path, 'variable'],
        message: `"${input.variable}" is declared twice (upper and lower case are the same)`,
      })
    seen.add(name)
    if (input.pattern === undefined) continue
    const pattern = compilePattern(input.pattern)
    if (!pattern.ok) faults.push({ path: [...path, 'pattern'], message: pattern.problem.detail })
    else if (input.default !== undefined && !pattern.value.matches(input.default))
      faults.push({ path: [...path, 'default'], message: 'the default does not match the pattern' })
  }
}

function checkNode(node: SequenceNode, path: Path, { faults, warnings }: Findings): void {
  if (node.type === 'upgradeOperatingSystem' && (node.package === undefined) === (node.sourcePath === undefined))
    faults.push({ path, message: 'expected either package or sourcePath' })
  if (node.type === 'downloadPackageContent' && node.saveAs === undefined && node.packages.length > 0)
    warnings.push({ path, message: 'without saveAs, later steps find the content only by its package id' })
  if ('class' in node && (node.class === 'probe') !== ('probe' in node && node.probe !== undefined))
    faults.push({ path, message: 'class probe and the command `probe` go together' })
  checkNewer(node, path, faults)
  if (node.type !== 'runCommandLine') return
  const words = splitCommandLine(node.commandLine)
  if (!words.ok) faults.push({ path: [...path, 'commandLine'], message: words.problem.detail })
  else if (shellText(words.value).some((text) => variablesIn(text).some((name) => !ofWindows.has(name.toLowerCase()))))
    warnings.push({
      path: [...path, 'commandLine'],
      message: `a variable inside shell text can become more than a word: ${/^(.*[\\/])?(ba|da|z|k)?sh$/.test(words.value[0] ?? '') ? asArgument : inScript}`,
    })
}

const asArgument = `pass it as an argument, sh -c '…"$1"' sh %name%`
const inScript = 'let a script read it, with the module SluiceTS or sluice-ts get'

/** Fields that must be there together, or not together. */
function checkNewer(node: SequenceNode, path: Path, faults: Fault[]): void {
  const either = (fields: Record<string, unknown>): void => {
    const given = Object.values(fields).filter((value) => value !== undefined)
    if (given.length !== 1) faults.push({ path, message: `expected either ${Object.keys(fields).join(' or ')}` })
  }
  const words = (text: string | undefined, field: string): void => {
    const split = text === undefined || text.trim() === '' ? undefined : splitCommandLine(text)
    if (split?.ok === false) faults.push({ path: [...path, field], message: split.problem.detail })
  }
  if ('probe' in node) words(node.probe, 'probe')
  switch (node.type) {
    case 'runScript':
      either({ source: node.source, script: node.script })
      if ((node.script === undefined) !== (node.package === undefined))
        faults.push({ path, message: 'package and script go together: the script is a path inside the package' })
      words(node.parameters, 'parameters')
      words(node.interpreter, 'interpreter')
      break
    case 'installPackage':
      if (node.programs.length === 0 && node.listVariable === undefined)
        faults.push({ path: [...path, 'programs'], message: 'expected at least one program' })
      for (const [index, { commandLine }] of node.programs.entries())
        words(commandLine, `programs[${index}].commandLine`)
      break
    case 'installApplication':
      if (node.applications.length === 0 && node.listVariable === undefined)
        faults.push({ path: [...path, 'applications'], message: 'expected at least one application' })
      for (const [index, { install }] of node.applications.entries()) words(install, `applications[${index}].install`)
      if (new Set(node.applications.map(({ name }) => name)).size < node.applications.length)
        faults.push({ path: [...path, 'applications'], message: 'two applications have the same name' })
      break
    case 'joinDomainOrWorkgroup':
      either({ workgroup: node.workgroup, domain: node.domain })
      if (node.domain !== undefined && node.account?.secret === undefined)
        faults.push({ path, message: 'a domain needs an account with its secret' })
      break
    case 'enableBitLocker':
      if ((node.mode === 'tpmAndPin') !== (node.pin !== undefined))
        faults.push({ path, message: 'mode tpmAndPin and the secret `pin` go together' })
      break
    default:
  }
}

/** The words that a shell would read as its language. */
function shellText(words: string[]): string[] {
  const program = words[0]?.split(/[\\/]/).at(-1)?.toLowerCase() ?? ''
  if (/^(ba|da|z|k)?sh$/.test(program)) {
    const option = words.findIndex((word) => /^-[a-z]*c$/.test(word))
    return option < 0 ? [] : words.slice(option + 1, option + 2)
  }
  if (/^cmd(\.exe)?$/.test(program)) return words.slice(1)
  if (/^(powershell|pwsh)(\.exe)?$/.test(program)) {
    const option = words.findIndex((word) => /^-c(ommand)?$/i.test(word))
    return option < 0 ? [] : words.slice(option + 1)
  }
  return []
}

/** Fields of steps in which `%name%` is expanded. */
const expandedFields = ['value', 'commandLine', 'startIn', 'sourcePath', 'driverPath', 'message', 'parameters', 'probe']

/**
 * What Windows and its command prompt give to every program, in lower case: left as it is where no variable of the
 * sequence has the name, so that the shell or the program puts it in.
 */
const ofWindows: ReadonlySet<string> = new Set([
  ...['allusersprofile', 'appdata', 'cd', 'commonprogramfiles', 'computername', 'comspec', 'date', 'errorlevel'],
  ...['homedrive', 'homepath', 'localappdata', 'number_of_processors', 'os', 'path', 'processor_architecture'],
  ...['programdata', 'programfiles', 'programw6432', 'public', 'random', 'systemdrive', 'systemroot', 'temp', 'time'],
  ...['tmp', 'username', 'userprofile', 'windir'],
])

/** Variables that conditions and texts use although nothing here can have set them. */
function unsetVariables(sequence: Sequence): Fault[] {
  const set = new Set([...sequence.inputs, ...(sequence.variables ?? [])].map(({ variable }) => variable.toLowerCase()))
  const numbered: string[] = []
  for (const { node } of nodesOf(sequence)) {
    if (node.type === 'setVariable') set.add(node.variable.toLowerCase())
    if ('outputTo' in node && node.outputTo !== undefined) set.add(node.outputTo.toLowerCase())
    if (node.type === 'setDynamicVariables')
      for (const rule of node.rules) for (const { variable } of rule.variables) set.add(variable.toLowerCase())
    if (node.type === 'downloadPackageContent' && node.saveAs !== undefined) numbered.push(node.saveAs.toLowerCase())
  }
  const known = (name: string): boolean => {
    const lower = name.toLowerCase()
    // The engine's own names, and the original's that an administrator may set from outside.
    if (/^(_|smsts|osd|sms|ts)/.test(lower) || set.has(lower)) return true
    return numbered.some((base) => lower.startsWith(base) && /^\d\d+$/.test(lower.slice(base.length)))
  }
  const warnings: Fault[] = []
  const told = new Set<string>()
  const use = (name: string, path: Path): void => {
    if (known(name) || told.has(name.toLowerCase())) return
    told.add(name.toLowerCase())
    warnings.push({ path, message: `nothing sets the variable "${name}", and it is not declared in inputs` })
  }
  for (const { node, path } of nodesOf(sequence)) {
    if (node.condition !== undefined) usesOfCondition(node.condition, [...path, 'condition'], use)
    for (const field of expandedFields) {
      const value: unknown = Reflect.get(node, field)
      if (typeof value !== 'string') continue
      for (const name of variablesIn(value)) if (!ofWindows.has(name.toLowerCase())) use(name, [...path, field])
    }
    if (node.type === 'downloadPackageContent')
      for (const [index, choice] of node.packages.entries())
        if (typeof choice !== 'string')
          for (const name of variablesIn(choice.chosenBy)) use(name, [...path, 'packages', index, 'chosenBy'])
  }
  return warnings
}

function usesOfCondition(condition: Condition, path: Path, use: (name: string, path: Path) => void): void {
  if ('variable' in condition) {
    use(condition.variable, [...path, 'variable'])
    for (const name of variablesIn(condition.value ?? '')) use(name, [...path, 'value'])
  } else if ('file' in condition) for (const name of variablesIn(condition.file)) use(name, [...path, 'file'])
  else if ('folder' in condition) for (const name of variablesIn(condition.folder)) use(name, [...path, 'folder'])
  else
    for (const kind of ['all', 'any', 'none'] as const)
      if (kind in condition)
        (Reflect.get(condition, kind) as Condition[]).forEach((inner, index) => {
          usesOfCondition(inner, [...path, kind, index], use)
        })
}
