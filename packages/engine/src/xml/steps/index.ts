/** Every step type that has a form in XML, and how a step of any class is read. */
import { type OriginalStep, Step } from '@sluice/protocol'
import { same } from '../../sequence/same.ts'
import { type StepClass, stepClasses } from '../step-classes.ts'
import { checkReadiness } from './check-readiness.ts'
import { connectNetworkFolder } from './connect-network-folder.ts'
import { disableBitLocker } from './disable-bitlocker.ts'
import { downloadPackageContent } from './download-package-content.ts'
import { enableBitLocker } from './enable-bitlocker.ts'
import { installApplication } from './install-application.ts'
import { installPackage } from './install-package.ts'
import { installSoftwareUpdates } from './install-software-updates.ts'
import { joinDomainOrWorkgroup } from './join-domain-or-workgroup.ts'
import { restartComputer } from './restart-computer.ts'
import { runCommandLine } from './run-command-line.ts'
import { runScript } from './run-script.ts'
import { runTaskSequence } from './run-task-sequence.ts'
import { setDynamicVariables } from './set-dynamic-variables.ts'
import { setVariable } from './set-variable.ts'
import { type AnyStepForm, anyForm, type KeptReason, type RunnableType, toolkitPath } from './step-form.ts'
import { upgradeOperatingSystem } from './upgrade-operating-system.ts'

const forms: readonly AnyStepForm[] = [
  anyForm(checkReadiness),
  anyForm(setVariable),
  anyForm(downloadPackageContent),
  anyForm(runCommandLine),
  anyForm(upgradeOperatingSystem),
  anyForm(restartComputer),
  anyForm(runScript),
  anyForm(setDynamicVariables),
  anyForm(connectNetworkFolder),
  anyForm(disableBitLocker),
  anyForm(enableBitLocker),
  anyForm(installApplication),
  anyForm(installPackage),
  anyForm(installSoftwareUpdates),
  anyForm(joinDomainOrWorkgroup),
  anyForm(runTaskSequence),
]

export function stepForm(type: RunnableType): AnyStepForm {
  const form = forms.find((one) => one.type === type)
  if (form === undefined) throw new Error(`steps of type ${type} have no form in XML`)
  return form
}

/** What a step becomes: a type with its fields, or why it is kept. */
export type StepReading = { type: RunnableType; fields: Record<string, unknown> } | { type: 'kept'; reason: KeptReason }

/** Reads a step of any class. What is told of kept steps is told anew each time: a later version may run them. */
export function readStep(original: OriginalStep): StepReading {
  const kept = (reason: KeptReason): StepReading => ({ type: 'kept', reason })
  if (original.attributes?.runIn?.trim().toLowerCase() === 'winpe')
    return kept({ home: 'windowsPE', why: 'it runs in Windows PE only' })
  const form = forms.find((one) => one.class === classOf(original))
  if (form === undefined) {
    const known = stepClasses.get(classOf(original))
    if (known?.home === 'notYet' && toolkitPath.test(original.action ?? ''))
      return kept({ home: 'deploymentShare', why: homes.deploymentShare(known) })
    if (known !== undefined) return kept({ home: known.home, why: homes[known.home](known) })
    return kept({ home: 'unknown', why: `nobody here knows the step type ${original.class ?? '(none)'}` })
  }
  const read = form.read(original)
  if ('reason' in read) return kept(read.reason)
  // What a file says may still be longer, or another thing, than a step may have.
  const fits = checkedTypes.has(form.type) ? fitting(form.type, read.fields) : undefined
  if (fits !== undefined) return kept({ home: 'detail', why: fits })
  return { type: form.type, fields: read.fields }
}

const checkedTypes: ReadonlySet<RunnableType> = new Set([
  ...([
    'runScript',
    'setDynamicVariables',
    'connectNetworkFolder',
    'disableBitLocker',
    'downloadPackageContent',
    'enableBitLocker',
    'installApplication',
    'installPackage',
    'joinDomainOrWorkgroup',
  ] as const),
])

/** Why these fields are no step; undefined: they are. */
function fitting(type: RunnableType, fields: Record<string, unknown>): string | undefined {
  const read = Step.safeParse({ type, name: 'Step', ...fields })
  const [first] = read.error?.issues ?? []
  return first === undefined ? undefined : `${first.path.join('.')}: what the file says is not taken (${first.message})`
}

/** Whether two say the same, in whatever order. */
export const sayTheSame = (a: OriginalStep, b: OriginalStep): boolean => same(inOrder(a), inOrder(b))

const inOrder = (original: OriginalStep): OriginalStep => ({
  ...original,
  variables: original.variables?.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)),
})

/** The toolkit writes plain command lines without a class, and a call of another sequence says it by its element. */
const classOf = (original: OriginalStep): string =>
  original.class ?? (original.element === undefined ? runCommandLine.class : runTaskSequence.class)

const homes: Record<StepClass['home'], (of: StepClass) => string> = {
  windowsPE: ({ title }) => `${title} exists in Windows PE only`,
  notYet: ({ title }) => `${title} is not supported here yet`,
  deploymentShare: ({ title }) => `${title} needs a deployment share of the Microsoft Deployment Toolkit`,
  wipeAndLoad: ({ title }) => `${title} belongs to deployments that wipe a computer`,
}

/** The name that the original's editor shows for a class. */
export const titleOf = (original: OriginalStep): string =>
  stepClasses.get(classOf(original))?.title ?? classOf(original)
