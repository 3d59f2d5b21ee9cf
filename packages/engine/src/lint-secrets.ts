/** Secrets that stand in a sequence in clear text; only a person can tell whether they are any. */
import type { Sequence, SequenceNode } from '@sluice/protocol'
import { nodesOf } from './nodes.ts'
import type { Path } from './path.ts'
import { variablesIn } from './variables.ts'
import { mayHoldSecret, namesSecret } from './xml/secrets.ts'

interface Found {
  path: Path
  message: string
}

export function secretTexts(sequence: Sequence): Found[] {
  const found: Found[] = []
  const named = (variable: string, value: string | undefined, path: Path, hidden = false): void => {
    if (value !== undefined && isLiteral(value) && (hidden || namesSecret(variable)))
      found.push({
        path,
        message: `"${variable}" looks like a secret: its value is in clear text here and in the signed sequence`,
      })
  }
  const searched = (text: string | undefined, path: Path, looks: (text: string) => boolean): void => {
    if (text !== undefined && looks(text))
      found.push({ path, message: 'looks as if a password stood in it, in clear text' })
  }
  for (const [index, { variable, value }] of (sequence.variables ?? []).entries())
    named(variable, value, ['variables', index, 'value'])
  for (const [index, input] of sequence.inputs.entries())
    named(input.variable, input.default, ['inputs', index, 'default'])
  for (const { node, path } of nodesOf(sequence)) {
    if (node.type === 'setVariable') named(node.variable, node.value, [...path, 'value'], node.hidden)
    if (node.type === 'setDynamicVariables')
      for (const [rule, { variables }] of node.rules.entries())
        for (const [index, { variable, value, hidden }] of variables.entries())
          named(variable, value, [...path, 'rules', rule, 'variables', index, 'value'], hidden)
    for (const [place, text] of commandsOf(node)) searched(text, [...path, ...place], mayHoldSecret)
    if (node.type === 'runScript') searched(node.source, [...path, 'source'], isSetInScript)
  }
  return found
}

function commandsOf(node: SequenceNode): [Path, string | undefined][] {
  const own: [Path, string | undefined][] = [
    ...('probe' in node ? ([[['probe'], node.probe]] as [Path, string | undefined][]) : []),
  ]
  if (node.type === 'runCommandLine') return [...own, [['commandLine'], node.commandLine]]
  if (node.type === 'runScript') return [...own, [['parameters'], node.parameters]]
  if (node.type === 'installPackage')
    return [
      ...own,
      ...node.programs.map(({ commandLine }, at): [Path, string] => [['programs', at, 'commandLine'], commandLine]),
    ]
  if (node.type === 'installApplication')
    return [
      ...own,
      ...node.applications.map(({ install }, at): [Path, string] => [['applications', at, 'install'], install]),
    ]
  return own
}

/** A script speaks of passwords in many ways; a text in quotes that is given to something called so is one. */
const isSetInScript = (source: string): boolean =>
  /(password|passwd|passphrase|secret|apikey|api_key)\w{0,30}["']?\s{0,3}[:=]\s{0,3}(["'])(?![$%])[^"'\s$%]{3,}\2/i.test(
    source,
  )

/** Written out, and not taken from a variable. */
const isLiteral = (value: string): boolean => value !== '' && variablesIn(value).length === 0
