/** The command line `sluice-ts`: variables of the sequence, and secrets of the step. Exit codes: 0 done, 1 not set or refused, 2 not understood. */
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { MASK } from '@sluice/engine'
import { askForSecret, STEP_SECRETS } from '../secrets/step-secrets.ts'
import { openStepVariables, type SharedVariables } from './shared-variables.ts'
import { STEP_VARIABLES } from './step-variables.ts'
import { converseAboutVariables } from './variables-conversation.ts'

const USAGE = `usage: sluice-ts get <name>             prints the value; ends with 1 when there is none
       sluice-ts set [--hidden] <name> <value>   an empty value removes the variable
       sluice-ts set [--hidden] --stdin <name>   the value from standard input, without its last line break
       sluice-ts list                      prints all; hidden values as ${MASK}
       sluice-ts secret <name>             prints a secret that the step names, without a line break
       sluice-ts serve                     answers requests on standard input, for programs that ask often`

export async function stepVariablesCommand(words: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const order = await readOrder(words)
  if (order === undefined) {
    console.error(USAGE)
    return 2
  }
  if (order.kind === 'secret') {
    const answer = await askForSecret(environment[STEP_SECRETS], order.name)
    if ('problem' in answer) console.error(answer.problem.detail)
    else process.stdout.write(answer.value)
    return 'problem' in answer ? 1 : 0
  }
  if (order.kind === 'serve') {
    await converseAboutVariables(process.stdin, (line) => console.log(line), environment[STEP_VARIABLES])
    return 0
  }
  const variables = openStepVariables(environment[STEP_VARIABLES])
  if (!variables.ok) {
    console.error(variables.problem.detail)
    return 1
  }
  try {
    return carryOut(order, variables.value)
  } finally {
    variables.value.close()
  }
}

type Order =
  | { kind: 'get'; name: string }
  | { kind: 'set'; name: string; value: string; hidden: boolean }
  | { kind: 'list' }
  | { kind: 'secret'; name: string }
  | { kind: 'serve' }

async function readOrder([command, ...words]: readonly string[]): Promise<Order | undefined> {
  const [name, value, ...others] = words
  if ((command === 'list' || command === 'serve') && name === undefined) return { kind: command }
  if (command === 'secret' && name !== undefined && value === undefined) return { kind: 'secret', name }
  if (command === 'get' && name !== undefined && value === undefined) return { kind: 'get', name }
  if (command !== 'set' || others.length > 3) return undefined
  const options = { hidden: { type: 'boolean' }, stdin: { type: 'boolean' } } as const
  // What begins with a dash is an option only before the name: a value may begin with one.
  const first = words.findIndex((word) => !word.startsWith('-'))
  if (first < 0) return undefined
  try {
    const { values } = parseArgs({ args: words.slice(0, first), options })
    const [of = '', given, ...rest] = words.slice(first)
    if (rest.length > 0 || (given === undefined) !== (values.stdin === true)) return undefined
    const told = given ?? (await text(process.stdin)).replace(/\r?\n$/, '')
    return { kind: 'set', name: of, value: told, hidden: values.hidden === true }
  } catch {
    return undefined
  }
}

function carryOut(order: Exclude<Order, { kind: 'secret' | 'serve' }>, variables: SharedVariables): number {
  if (order.kind === 'set') {
    const refused = variables.set(order.name, order.value, order.hidden)
    if (refused !== undefined) console.error(refused.detail)
    return refused === undefined ? 0 : 1
  }
  if (order.kind === 'get') {
    const value = variables.get(order.name)
    if (value !== undefined) console.log(value)
    return value === undefined ? 1 : 0
  }
  for (const { name, value, hidden } of variables.list())
    console.log(`${name}=${hidden ? MASK : value.replaceAll('\n', '\\n')}`)
  return 0
}
