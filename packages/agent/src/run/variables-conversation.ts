/**
 * `sluice-ts serve`: the variables of the sequence for a program that asks often, such as the objects that
 * scripts on Windows and in PowerShell use. One request a line on standard input, one answer a line on standard
 * output, in words with a space between them. Every text is Base64 of UTF-8 (`-` where it is empty), so that
 * nothing in a name or value can end a line, and nothing of it stands in the arguments of a process.
 *
 *     get <name>            value <text>, or none
 *     show <name>           the same, a hidden value as asterisks
 *     set <name> <value>    done, or refused <why>; an empty value removes
 *     hide <name> <value>   the same; the variable is hidden from then on
 *     names                 names <text>…
 *
 * The variables are opened for each request: a program that outlives its step is told that there is no step.
 */
import { MASK } from '@sluice/engine'
import { openStepVariables, type SharedVariables } from './shared-variables.ts'

/** One request: a name and a value, encoded, with much to spare. */
export const MAX_REQUEST_BYTES = 64 * 1024

/**
 * Answers until the input ends, or until a request is too long.
 * @param path of the variables, as for `openStepVariables`
 */
export async function converseAboutVariables(
  input: AsyncIterable<Buffer>,
  answer: (line: string) => void,
  path: string | undefined,
): Promise<void> {
  let rest = Buffer.alloc(0)
  for await (const part of input) {
    rest = Buffer.concat([rest, part])
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      const line = rest.toString('utf8', 0, end)
      rest = rest.subarray(end + 1)
      answer(answerTo(line, path))
    }
    if (rest.length > MAX_REQUEST_BYTES) return answer(refused('The request is too long.'))
  }
}

function answerTo(line: string, path: string | undefined): string {
  // Some streams of .NET begin with a byte order mark.
  const [order = '', ...texts] = line
    .replace(/^\ufeff/, '')
    .trim()
    .split(' ')
  const [name = '', value = ''] = texts.map(decode)
  const variables = openStepVariables(path)
  if (!variables.ok) return refused(variables.problem.detail)
  try {
    return carryOut(variables.value, { order, name, value, words: texts.length })
  } finally {
    variables.value.close()
  }
}

function carryOut(
  variables: SharedVariables,
  { order, name, value, words }: { order: string; name: string; value: string; words: number },
): string {
  switch (`${order} ${words}`) {
    case 'get 1':
      return found(variables.get(name))
    case 'show 1':
      return found(variables.isHidden(name) ? MASK : variables.get(name))
    case 'set 2':
    case 'hide 2': {
      const problem = variables.set(name, value, order === 'hide')
      return problem === undefined ? 'done' : refused(problem.detail)
    }
    case 'names 0':
      return ['names', ...variables.list().map((one) => encode(one.name))].join(' ')
    default:
      return refused('The request is not understood.')
  }
}

const found = (value: string | undefined): string => (value === undefined ? 'none' : `value ${encode(value)}`)
const refused = (why: string): string => `refused ${encode(why)}`
const encode = (text: string): string => (text === '' ? '-' : Buffer.from(text, 'utf8').toString('base64'))
const decode = (word: string): string => (word === '-' ? '' : Buffer.from(word, 'base64').toString('utf8'))
