/** What the demo is told on its command line. */
import { parseArgs } from 'node:util'
import { ProblemError, problem } from '@sluice/protocol'

export interface DemoOptions {
  /** Run the upgrade as the user's click would, report, and end. */
  once: boolean
  /** The report as one JSON object on the last line of standard output. */
  json: boolean
  /** First of five ports; 0: any free ones. */
  basePort: number
  /** Folder that holds everything of the demo. */
  folder: string
}

export const help = `Usage: npm start -- [options]

  --once             run the upgrade, report, and end
  --json             with --once: the report as JSON on the last line
  --data <folder>    where the demo keeps its things   (data/demo; data/once with --once)
  --base-port <n>    first of five ports on 127.0.0.1; 0 takes any free ones   (47100)
  --help             this text
`

/** Reads the words after `npm start --`. `CONFIGURATION_INVALID` names the word. */
export function readOptions(words: string[], folder: (once: boolean) => string): DemoOptions | 'help' {
  const refuse = (why: string): never => {
    throw new ProblemError(problem('CONFIGURATION_INVALID', `${why}\n\n${help}`))
  }
  let values: { once?: boolean; json?: boolean; help?: boolean; 'base-port'?: string; data?: string }
  try {
    ;({ values } = parseArgs({
      args: words,
      options: {
        once: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        'base-port': { type: 'string' },
        data: { type: 'string' },
      },
    }))
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
  if (values.help) return 'help'
  const port = values['base-port'] ?? '47100'
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_531) refuse(`--base-port: a number from 0 to 65531, not ${port}`)
  if (values.json && !values.once) refuse('--json goes with --once')
  return {
    once: values.once ?? false,
    json: values.json ?? false,
    basePort: Number(port),
    folder: values.data ?? folder(values.once ?? false),
  }
}
