import type { ByteSources, StatusEntry, StatusEvent } from '@sluice/protocol'
import { formatBytes } from './text.ts'

/** A status message as a line for people. @param deviceName what the device is called */
export function statusLine({ message }: StatusEntry, deviceName: string): string {
  return `${message.at}  ${deviceName}  ${statusText(message.event)}`
}

function statusText(event: StatusEvent): string {
  switch (event.kind) {
    case 'deploymentEvaluated': {
      const [first] = event.refusals
      return first === undefined
        ? `offers ${event.deploymentId}`
        : `refuses ${event.deploymentId}: ${first.title}. ${first.detail} (${first.code})`
    }
    case 'runStarted':
      return `started ${event.deploymentId} (${event.startedBy === 'user' ? 'by its user' : 'at the deadline'})`
    case 'stepStarted':
      return `step: ${event.name}`
    case 'stepFinished':
      return `step: ${event.name}: ${event.outcome}, ${seconds(event.ms)}${because(event.problem)}`
    case 'contentReady':
      return `content ${event.packageId}: ${formatBytes(event.fetchedBytes)} fetched of ${formatBytes(event.neededBytes)} needed${from(event.bytesFrom)}${sourcesOf(event)}`
    case 'contentHeld':
      return `content ${event.packageId} waits${because(event.problem)}`
    case 'runPaused':
      return `paused by its user, until ${event.until} at the latest`
    case 'runResumed':
      return 'goes on after the pause of its user'
    case 'restarting':
      return `restarts${event.message === '' ? '' : `: ${event.message}`}`
    case 'debugState':
      return `debugger: ${event.state.mode}${because(event.state.refused ?? event.state.problem)}`
    case 'cacheState':
      return `has ${counted(event.contents.length + event.more, 'content')} in its cache`
    case 'agentProblem':
      return `has a problem${because(event.problem)}`
    case 'runFinished': {
      const { report } = event
      const end = `finished: ${report.result}, ${report.osBefore} → ${report.osAfter}, ${seconds(report.totalMs)}, ${formatBytes(report.fetchedBytes)} fetched${from(report.sources)}`
      return report.failedStep === undefined ? end : `${end}; failed at ${report.failedStep}${because(report.problem)}`
    }
  }
}

/** Where bytes came from, as far as there are any. */
function from(sources: ByteSources | undefined): string {
  const parts = [
    [sources?.cloudBytes, 'cloud'],
    [sources?.gatewayBytes, 'gateway'],
    [sources?.cacheBytes, 'cache'],
    [sources?.seedBytes, 'seeds'],
  ] as const
  const told = parts.flatMap(([bytes, name]) => (bytes ? [`${name} ${formatBytes(bytes)}`] : []))
  return told.length === 0 ? '' : ` (${told.join(', ')})`
}

const because = (problem: { code: string; detail: string } | undefined): string =>
  problem === undefined ? '' : ` (${problem.code}: ${problem.detail})`

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

type ContentReady = Extract<StatusEvent, { kind: 'contentReady' }>

/** Where it came from, and what was not used and why; older agents do not say. */
function sourcesOf({ sources = [], passedOver = [] }: ContentReady): string {
  const from = sources.length === 0 ? '' : `, from ${sources.join(', then ')}`
  const not = passedOver.map(({ name, problem }) => `${name} (${problem.code})`)
  return `${from}${not.length === 0 ? '' : `; not from ${not.join(', ')}`}`
}
