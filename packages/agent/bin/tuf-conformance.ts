/** The TUF client of the agent, as the public conformance suite calls it; see `src/trust/conformance.ts`. */
import { conformanceCommand } from '../src/trust/conformance.ts'

process.exitCode = await conformanceCommand(process.argv.slice(2), (line) => process.stderr.write(`${line}\n`))
