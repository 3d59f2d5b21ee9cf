/** Asks for a restart of the machine, in the way that the configuration says. */
import { spawn } from 'node:child_process'
import { failed, ok, problem, type Result } from '@sluice/protocol'
import type { RestartOrder } from './platform.ts'

/** A command for a restart that takes longer than this did not do it. */
const COMMAND_MS = 60_000

/** @param exit ends the agent in an orderly way, soon */
export async function restart(order: RestartOrder, exit: (code: number) => void): Promise<Result<void>> {
  if (order.kind === 'exit') {
    exit(order.code)
    return ok(undefined)
  }
  const [program, ...args] = order.argv
  if (program === undefined) return failed(problem('RESTART_REFUSED', 'restart.argv names no program.'))
  const why = await new Promise<string | undefined>((resolve) => {
    const signal = AbortSignal.timeout(COMMAND_MS)
    const child = spawn(program, args, { stdio: 'ignore', signal, killSignal: 'SIGKILL' })
    child.on('error', (error) => resolve(error.message))
    child.on('exit', (code, by) => resolve(code === 0 ? undefined : `it ended with ${code ?? by}`))
  })
  return why === undefined ? ok(undefined) : failed(problem('RESTART_REFUSED', `${program}: ${why}.`))
}
