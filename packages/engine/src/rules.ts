/**
 * Rules of a sequence that its schema cannot say: faults hinder it from being stored, warnings only
 * tell the author.
 */
import type { Sequence, SequenceNode } from '@sluice/protocol'
import { splitCommandLine } from './command-words.ts'
import type { Fault } from './faults.ts'
import { nodesOf } from './nodes.ts'
import { obstacles } from './obstacles.ts'
import type { Path } from './path.ts'
import { compilePattern } from './pattern.ts'
import { unsetVariables } from './unset-variables.ts'
import { variablesIn } from './variables.ts'

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
  else if (shellText(words.value).some((text) => variablesIn(text).length > 0))
    warnings.push({
      path: [...path, 'commandLine'],
      message:
        'a variable inside shell text can become more than a word: pass it as an argument, sh -c \'…"$1"\' sh %name%',
    })
}

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
      for (const [index, { commandLine }] of node.programs.entries())
        words(commandLine, `programs[${index}].commandLine`)
      break
    case 'installApplication':
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
