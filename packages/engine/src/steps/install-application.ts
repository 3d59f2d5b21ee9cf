/**
 * Applications, one part each (configmgr-behaviour §3.4): what is there already is left alone, what the
 * device does not meet is passed over with a warning, and what was installed must be found afterwards.
 * `_TSAppInstallStatus` says how all of it came out: `Success`, `Warning`, `Error`.
 */
import { failed, ok, problem, type Result, type StepOf } from '@sluice/protocol'
import { concludeExit } from './exit-code.ts'
import { numberedValues } from './numbered-variables.ts'
import { expandedWords, isTrue, timeoutOf } from './program.ts'
import { type Conclusion, done, type Prepared, type StepContext, type StepKind } from './step-kind.ts'

type Step = StepOf<'installApplication'>
type Application = Step['applications'][number]

const STATUS = '_TSAppInstallStatus'
const grave = ['Undefined', 'Success', 'Warning', 'Error']

export const installApplication: StepKind<'installApplication'> = {
  fetches: () => true,
  async prepare(step, context) {
    const { environment, part } = context
    if (part === 0) environment.setOwn(STATUS, 'Undefined')
    const chosen = applicationsOf(step, context)
    if (!chosen.ok) return done(chosen.problem)
    // Those that need nothing to be run are behind this part at once.
    for (let index = part; ; index++) {
      const application = chosen.value[index]
      if (application === undefined) return done()
      const prepared = await prepareOne(step, application, index, context, chosen.value.length)
      if (prepared !== undefined) return prepared
    }
  },
  async conclude(step, { exitCode }, context) {
    const chosen = applicationsOf(step, context)
    const application = chosen.ok ? await presentOf(chosen.value, context) : undefined
    if (!chosen.ok || application === undefined) return { exitCode }
    const { one, index } = application
    const end = concludeExit(exitCode, one.successCodes, context.environment, `The installation of ${one.name}`)
    const isLast = index + 1 >= chosen.value.length
    if (end.problem !== undefined) return onFailure(step, end, context, isLast ? undefined : index + 1)
    // After a restart it may be there; before one, nobody can tell.
    if (end.restart === undefined && !(await isInstalled(one, context))) {
      const reason = problem('STEP_FAILED', `${one.name} was installed, but is not found on the device.`)
      return onFailure(step, { exitCode, problem: reason }, context, isLast ? undefined : index + 1)
    }
    worsen(context, 'Success')
    return isLast ? end : { ...end, next: index + 1 }
  },
}

const isInstalled = async ({ detect }: Application, { decide }: StepContext): Promise<boolean> =>
  detect !== undefined && (await decide(detect)).result

/** Undefined: nothing is to be done for this one. */
async function prepareOne(
  step: Step,
  application: Application,
  index: number,
  context: StepContext,
  count: number,
): Promise<Prepared | undefined> {
  const { environment, note, decide } = context
  const { name } = application
  if (await isInstalled(application, context)) {
    note(`${name} is installed already.`)
    worsen(context, 'Success')
    return undefined
  }
  if (application.requires !== undefined) {
    const { result, trace } = await decide(application.requires)
    if (!result) {
      note(`${name} is not for this device: ${trace}`)
      worsen(context, 'Warning')
      if (!isTrue(environment, 'TSErrorOnWarning')) return undefined
      const reason = problem('STEP_FAILED', `${name} is not for this device, and warnings count as errors.`)
      return step.continueOnInstallError === true ? undefined : done(reason)
    }
  }
  note(`Installing ${name} (${index + 1} of ${count})`)
  let folder: string | undefined
  if (application.package !== undefined) {
    const content = await context.acquire(application.package)
    if (!content.ok) {
      worsen(context, 'Error')
      return step.continueOnInstallError === true ? undefined : done(content.problem)
    }
    folder = content.value.folder
  }
  if (application.install === undefined)
    return done(problem('STEP_COULD_NOT_START', `Nobody said how ${name} is installed.`))
  const words = expandedWords(application.install, environment)
  if (!words.ok) return done(words.problem)
  environment.setOwn(CURRENT, name)
  return {
    kind: 'act',
    action: {
      ...{ kind: 'command', argv: words.value.argv, workingDirectory: folder, timeoutMs: timeoutOf(step) },
      hidden: words.value.hidden || isTrue(environment, 'OSDDoNotLogCommand'),
    },
  }
}

/** The application that is being installed: it is durable with the intent. */
const CURRENT = '_SMSTSCurrentApplication'

async function presentOf(
  chosen: readonly Application[],
  { environment }: StepContext,
): Promise<{ one: Application; index: number } | undefined> {
  const index = chosen.findIndex(({ name }) => name === environment.get(CURRENT))
  const one = chosen[index]
  return one === undefined ? undefined : { one, index }
}

function onFailure(step: Step, end: Conclusion, context: StepContext, next: number | undefined): Conclusion {
  worsen(context, 'Error')
  if (step.continueOnInstallError !== true) return end
  context.note(`Going on without it: ${end.problem?.detail ?? ''}`)
  return next === undefined ? {} : { next }
}

function worsen({ environment }: StepContext, status: string): void {
  if (grave.indexOf(status) > grave.indexOf(environment.get(STATUS) ?? '')) environment.setOwn(STATUS, status)
}

function applicationsOf(step: Step, { environment }: StepContext): Result<Application[]> {
  if (step.listVariable === undefined) return ok(step.applications)
  const chosen: Application[] = []
  for (const value of numberedValues(step.listVariable, 2, environment)) {
    const application = step.applications.find(({ name }) => name === value)
    if (application === undefined) {
      const detail = `${step.listVariable} names "${value.slice(0, 100)}", which is not among the applications of the step.`
      return failed(problem('CANDIDATE_NOT_DECLARED', detail))
    }
    chosen.push(application)
  }
  return ok(chosen)
}
