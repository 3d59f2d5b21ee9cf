/** What the agent tells `SluiceStep` on standard input, and what it says of the end. Pure; see `windows/SluiceStep.cs`. */

export interface StepOrder {
  commandLine: string
  /** Where the program begins; absent: where SluiceStep did. */
  folder?: string | undefined
  environment: Readonly<Record<string, string>>
  /** Whom the program runs as, with the password (W4 of `SluiceStep.cs`). */
  account?: string | undefined
  password?: string | undefined
  /** A line for the program's standard input. */
  input?: string | undefined
}

/** Lines of a word and base64: no value can be mistaken for a line, and none stands in an argument. */
export function orderText({ commandLine, folder, environment, account, password, input }: StepOrder): string {
  const lines = [
    ['commandLine', commandLine],
    ...(folder === undefined ? [] : [['folder', folder]]),
    ...Object.entries(environment).map(([name, value]) => ['variable', `${name}=${value}`]),
    ...(account === undefined ? [] : [['account', account]]),
    ...(password === undefined ? [] : [['password', password]]),
    ...(input === undefined ? [] : [['input', input]]),
  ]
  return `${lines.map(([word, value]) => `${word} ${Buffer.from(value ?? '').toString('base64')}\n`).join('')}go\n`
}

export type StepEnd = { exitCode: number } | { detail: string }

/** @param text of the result file; undefined: there is none, since SluiceStep was ended */
export function readEnd(text: string | undefined): StepEnd | undefined {
  const [, word, rest = ''] = /^(exited|failed) ([^\n]*)\n$/.exec(text ?? '') ?? []
  if (word === 'failed') return { detail: rest }
  return word === 'exited' && /^\d{1,10}$/.test(rest) ? { exitCode: Number(rest) } : undefined
}
