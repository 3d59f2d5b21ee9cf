/**
 * What an export of the console says of other things than sequences: what references are called
 * (`ReferencesInfo.xml`), and the programs of packages (objects of the class `SMS_Program`, which lie there when
 * dependencies were exported). Instances stand in a document as they are, or as escaped text in an element.
 *
 * No export with programs was at hand: which file they lie in is left open, and only the names of the class's
 * properties are relied on.
 */
import type { Sequence, SequenceNode } from '@sluice/protocol'
import { splitCommandLine } from '../run/command-words.ts'
import { propertiesOf } from './containers.ts'
import { elementsIn, type XmlElement } from './element.ts'
import type { Finding } from './findings.ts'
import { readXml, type XmlBase } from './read-xml.ts'

/** As the step's own schema has it. */
const MAX_COMMAND = 32_000

export interface ExportedProgram {
  packageId: string
  /** Upper and lower case count, as for the original. */
  name: string
  commandLine: string
  /** Folder that it starts in; absent: that of the package. */
  startIn?: string
}

/** Instances in a document, those in escaped text too; none where it is not XML. */
function instancesIn(text: string): XmlElement[] {
  const base: XmlBase = { file: '', line: 1, column: 1, exact: false }
  const read = readXml(text, base)
  if (!read.ok) return []
  return [...elementsIn(read.value.root)].flatMap((element) => {
    if (element.name === 'INSTANCE') return [element]
    if (!element.text.trimStart().startsWith('<INSTANCE')) return []
    const inner = readXml(element.text, base)
    return inner.ok ? [...elementsIn(inner.value.root)].filter(({ name }) => name === 'INSTANCE') : []
  })
}

/** What the references of a package are called, by their ids. */
export function readReferenceNames(text: string): Map<string, string> {
  const names = new Map<string, string>()
  for (const instance of instancesIn(text)) {
    const properties = new Map(propertiesOf(instance))
    const [id, name] = [properties.get('ReferencePackageID'), properties.get('ReferenceName')]
    if (id !== undefined && name !== undefined) names.set(id, name)
  }
  return names
}

/** The programs of packages that a document describes; without a command they say nothing. */
export function readPrograms(text: string): ExportedProgram[] {
  return instancesIn(text).flatMap((instance) => {
    if (instance.attributes.get('CLASSNAME') !== 'SMS_Program') return []
    const properties = new Map(propertiesOf(instance))
    const [packageId, name, commandLine] = ['PackageID', 'ProgramName', 'CommandLine'].map((one) => properties.get(one))
    if (packageId === undefined || name === undefined || commandLine === undefined) return []
    if (commandLine.length > MAX_COMMAND) return []
    const startIn = properties.get('WorkingDirectory')
    return [{ packageId, name, commandLine, ...(startIn === undefined ? {} : { startIn }) }]
  })
}

/** Puts the commands into the steps that install these programs. */
export function withPrograms(
  sequence: Sequence,
  programs: readonly ExportedProgram[],
): { sequence: Sequence; findings: Finding[] } {
  const findings: Finding[] = []
  const tell = (message: string): void => {
    findings.push({ kind: 'differs', severity: 'warning', sequence: sequence.name, message })
  }
  if (programs.length === 0) return { sequence, findings }
  const known = new Map(programs.map((one) => [`${one.packageId}:${one.name}`, one]))
  const fill = (node: SequenceNode): SequenceNode => {
    if (node.type === 'group') return { ...node, steps: node.steps.map(fill) }
    if (node.type !== 'installPackage') return node
    const filled = node.programs.map((program) => {
      const found = known.get(`${program.package}:${program.program}`)
      if (found === undefined || program.commandLine !== undefined) return program
      const about = `${node.name}: the program ${program.program}`
      if (!splitCommandLine(found.commandLine).ok) {
        tell(`${about} has a command with a quote that does not end: write it anew`)
        return program
      }
      if (found.startIn !== undefined)
        tell(`${about} starts in ${found.startIn} there, and in the folder of ${program.package} here`)
      return { ...program, commandLine: found.commandLine }
    })
    return { ...node, programs: filled }
  }
  return { sequence: { ...sequence, steps: sequence.steps.map(fill) }, findings }
}
