import { concludeExit } from './exit-code.ts'
import { done, type StepKind } from './step-kind.ts'
import { windowsCommand } from './windows-command.ts'

/** configmgr-behaviour §3.4. An account needs its secret, and is refused before the run (obstacles.ts). */
export const connectNetworkFolder: StepKind<'connectNetworkFolder'> = {
  fetches: () => false,
  async prepare(step, { environment }) {
    const path = environment.expand(step.path)
    if (!path.ok) return done(path.problem)
    const drive = step.drive === undefined ? [] : [step.drive]
    return windowsCommand(['net.exe', 'use', ...drive, path.value.value, '/persistent:no'], step)
  },
  conclude: (_, { exitCode }, { environment }) => concludeExit(exitCode, [0], environment, 'Connecting the folder'),
}
