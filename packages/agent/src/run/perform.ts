/** What a runner does with an attempt that it claimed. */
import { writeFileSync } from 'node:fs'
import type { ActionOutcome } from '@sluice/engine'
import type { StepSecrets } from '../secrets/step-secrets.ts'
import type { AttemptSpec } from './attempt.ts'
import { createTraceLog, mask } from './cmtrace-log.ts'
import { runCommand } from './command.ts'
import { type WrittenScript, writeScript } from './script-file.ts'
import type { ProcessIdentity } from './session.ts'
import { endStep } from './step-processes.ts'
import { createStepVariables, type StepVariables } from './step-variables.ts'

/** Progress of the step in percent, as text in a file beside the attempt's; may be lost. */
export const percentPath = (attemptPath: string): string => `${attemptPath}.percent`

/** Elsewhere the agent may start programs as anybody: a password would be revealed for nothing. */
const needsPassword = process.platform === 'win32'

/**
 * Carries out the action. Never throws: what nobody expected is the outcome `couldNotStart` or
 * a log line, since nothing else of the runner is seen by anyone.
 */
export async function perform(attemptPath: string, spec: AttemptSpec, runner: ProcessIdentity): Promise<ActionOutcome> {
  let variables: StepVariables | undefined
  let script: WrittenScript | undefined
  let secrets: StepSecrets | undefined
  /** Of secrets that the runner hands over, as they are handed over. */
  const handed: string[] = []
  const revealed = () => [...(secrets?.revealed() ?? []), ...handed]
  const masked = () => [...spec.masked, ...(variables?.hiddenValues() ?? []), ...revealed()]
  const log = createTraceLog({ path: spec.logPath, masked, now: Date.now })
  try {
    if (spec.action.kind === 'softwareUpdates') {
      const { installUpdates } = await import('../upgrade/software-updates.ts')
      return await installUpdates(spec.action, { runner, log, osRoot: spec.osRoot, outputPath: attemptPath })
    }
    if (spec.action.kind === 'command') {
      script = writeScript(attemptPath, spec.action)
      if (spec.variables !== undefined) variables = createStepVariables(`${attemptPath}.variables`, spec.variables)
      const { secretInput, secrets: names = [] } = spec.action
      const accountSecret = needsPassword ? spec.action.accountSecret : undefined
      const wanted = [secretInput, accountSecret].filter((name) => name !== undefined)
      if (spec.secrets !== undefined && names.length + wanted.length > 0) {
        const { openStepSecrets } = await import('../secrets/step-secrets.ts')
        secrets = await openStepSecrets({ path: `${attemptPath}.secrets`, names, ...spec.secrets })
      }
      const values = new Map<string, string>()
      for (const name of wanted) {
        const answer = await secrets?.ask(name)
        if (answer === undefined || 'problem' in answer)
          return { kind: 'couldNotStart', detail: answer?.problem.detail ?? `Nobody gives out ${name}.` }
        values.set(name, answer.value)
        handed.push(Buffer.from(answer.value).toString('base64'))
      }
      const input = secretInput === undefined ? undefined : values.get(secretInput)
      const outcome = await runCommand(script.action, {
        input: input === undefined ? undefined : Buffer.from(input).toString('base64'),
        password: accountSecret === undefined ? undefined : values.get(accountSecret),
        runner,
        log,
        environment: { ...spec.environment, ...variables?.environment, ...secrets?.environment },
        programFolder: variables?.programFolder,
        outputPath: attemptPath,
      })
      return withoutSecrets(
        variables === undefined || outcome.kind === 'couldNotStart'
          ? outcome
          : { ...outcome, changes: variables.changes() },
        revealed(),
      )
    }
    const { upgradeOperatingSystem } = await import('../upgrade/upgrade.ts')
    return await upgradeOperatingSystem(spec.action, {
      osRoot: spec.osRoot,
      workFolder: spec.workFolder,
      log,
      logPath: spec.logPath,
      endEverything: () => endStep(runner),
      onPercent: (percent) => writeFileSync(percentPath(attemptPath), String(percent), { mode: 0o600 }),
    })
  } catch (error) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
    log.write({ text: `The runner failed: ${detail}`, component: 'TSManager', level: 'error' })
    return { kind: 'couldNotStart', detail: `The runner failed: ${error instanceof Error ? error.message : error}` }
  } finally {
    secrets?.close()
    script?.remove()
    variables?.remove()
  }
}

/** The outcome is kept, reported and becomes variables: no secret of the step goes along in it. */
function withoutSecrets(outcome: ActionOutcome, revealed: readonly string[]): ActionOutcome {
  if (revealed.length === 0 || (outcome.kind !== 'exited' && outcome.kind !== 'timedOut')) return outcome
  const changes = outcome.changes?.map((change) => ({ ...change, value: mask(change.value, revealed) }))
  return {
    ...outcome,
    ...('output' in outcome ? { output: mask(outcome.output, revealed) } : {}),
    ...(changes === undefined ? {} : { changes }),
  }
}
