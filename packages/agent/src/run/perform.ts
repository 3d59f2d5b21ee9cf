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

/**
 * Carries out the action. Never throws: what nobody expected is the outcome `couldNotStart` or
 * a log line, since nothing else of the runner is seen by anyone.
 */
export async function perform(attemptPath: string, spec: AttemptSpec, runner: ProcessIdentity): Promise<ActionOutcome> {
  let variables: StepVariables | undefined
  let script: WrittenScript | undefined
  let secrets: StepSecrets | undefined
  let input: string | undefined
  const revealed = () => [...(secrets?.revealed() ?? []), ...(input === undefined ? [] : [input])]
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
      if (spec.secrets !== undefined && (names.length > 0 || secretInput !== undefined)) {
        const { openStepSecrets } = await import('../secrets/step-secrets.ts')
        secrets = await openStepSecrets({ path: `${attemptPath}.secrets`, names, ...spec.secrets })
      }
      const answer = secretInput === undefined ? undefined : await secrets?.ask(secretInput)
      if (secretInput !== undefined && (answer === undefined || 'problem' in answer))
        return { kind: 'couldNotStart', detail: answer?.problem.detail ?? `Nobody gives out ${secretInput}.` }
      if (answer !== undefined && 'value' in answer) input = Buffer.from(answer.value).toString('base64')
      const outcome = await runCommand(script.action, {
        input,
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
