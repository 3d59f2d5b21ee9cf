import { problem, type StepOf } from '@sluice/protocol'
import { compareValues } from '../condition/compare.ts'
import type { MachineFacts } from '../host.ts'
import { done, type StepContext, type StepKind } from './step-kind.ts'

const MiB = 1024 * 1024

interface Check {
  /** Read-only variable that tells the result: `1` or `0`, not set when the check is off. */
  variable: string
  told: string
  met: boolean
}

/** All enabled checks run; then the step fails once, with 4316 (configmgr-behaviour §4.3). */
export const checkReadiness: StepKind<'checkReadiness'> = {
  fetches: () => false,
  async prepare(step, { host, environment }) {
    const checks = [...factChecks(step, await host.facts()), ...machineChecks(step, await host.machine())]
    for (const variable of variables) environment.setOwn(variable, '')
    for (const variable of new Set(checks.map((check) => check.variable)))
      environment.setOwn(variable, checks.every((check) => check.variable !== variable || check.met) ? '1' : '0')
    if (checks.every((check) => check.met)) return done()
    const list = checks.map(({ told, met }) => `${told} (${met ? 'met' : 'not met'})`)
    return done(problem('READINESS_FAILED', `${list.join('; ')}.`))
  },
}

type Step = StepOf<'checkReadiness'>

function factChecks(step: Step, facts: Awaited<ReturnType<StepContext['host']['facts']>>): Check[] {
  const checks: Check[] = []
  const atLeast = (variable: string, what: string, found: number, needed: number | undefined, unit: string): void => {
    if (needed !== undefined)
      checks.push({ variable, told: `${what}: ${found} ${unit} of ${needed} ${unit}`, met: found >= needed })
  }
  const same = (variable: string, what: string, found: string, needed: string | undefined): void => {
    if (needed !== undefined)
      checks.push({ variable, told: `${what}: ${found}, needed ${needed}`, met: found === needed })
  }
  atLeast('_TS_CRMEMORY', 'memory', Math.floor(facts.memoryBytes / MiB), step.minimumMemoryMB, 'MB')
  atLeast('_TS_CRSPEED', 'processor', facts.processorMHz, step.minimumProcessorMHz, 'MHz')
  atLeast('_TS_CRDISK', 'free disk space', Math.floor(facts.freeDiskBytes / MiB), step.minimumFreeDiskMB, 'MB')
  same('_TS_CRARCH', 'architecture', facts.architecture, step.architecture)
  same('_TS_CROSTYPE', 'platform', facts.platform, step.platform)
  if (step.osType !== undefined) {
    const found = facts.platform === 'windows' ? (/server/i.test(facts.os.name) ? 'server' : 'client') : 'not Windows'
    same('_TS_CROSTYPE', 'operating system type', found, step.osType)
  }
  const { version } = facts.os
  if (step.minimumOsVersion !== undefined)
    checks.push({
      variable: '_TS_CRMINOSVER',
      told: `OS version: ${version}, at least ${step.minimumOsVersion}`,
      met: compareValues(version, step.minimumOsVersion) >= 0,
    })
  if (step.maximumOsVersion !== undefined)
    checks.push({
      variable: '_TS_CRMAXOSVER',
      told: `OS version: ${version}, at most ${step.maximumOsVersion}`,
      met: compareValues(version, step.maximumOsVersion) <= 0,
    })
  if (step.language !== undefined) {
    const found = facts.language ?? 'not known'
    const [wanted, has] = [step.language.toLowerCase(), found.toLowerCase()]
    const met = has === wanted || has.startsWith(`${wanted}-`)
    checks.push({ variable: '_TS_CROSLANGUAGE', told: `language: ${found}, needed ${step.language}`, met })
  }
  return checks
}

/** What the device cannot tell is not met: nothing is made up. */
function machineChecks(step: Step, machine: MachineFacts): Check[] {
  const checks: Check[] = []
  const add = (variable: string, what: string, found: string | undefined, met: boolean): void => {
    checks.push({ variable, told: `${what}: ${found ?? 'not known'}`, met })
  }
  const yesOrNo = (value: boolean | undefined): string | undefined =>
    value === undefined ? undefined : value ? 'yes' : 'no'
  const { agentVersion, onAcPower, network, uefi, tpm } = machine
  if (step.minimumAgentVersion !== undefined) {
    const met = compareValues(agentVersion, step.minimumAgentVersion) >= 0
    add('_TS_CRCLIENTMINVER', `agent version, at least ${step.minimumAgentVersion}`, agentVersion, met)
  }
  if (step.acPower === true) add('_TS_CRACPOWER', 'AC power', yesOrNo(onAcPower), onAcPower === true)
  if (step.network !== undefined)
    add('_TS_CRNETWORK', 'network adapter', network, network === 'wired' || network === 'wireless')
  if (step.network === 'wired') add('_TS_CRWIRED', 'network adapter that is not wireless', network, network === 'wired')
  if (step.uefi === true) add('_TS_CRUEFI', 'UEFI', yesOrNo(uefi), uefi === true)
  if (step.tpm !== undefined) {
    const met = tpm === 'activated' || (step.tpm === 'enabled' && tpm === 'enabled')
    add(step.tpm === 'enabled' ? '_TS_CRTPMENABLED' : '_TS_CRTPMACTIVATED', `TPM ${step.tpm}`, tpm, met)
  }
  return checks
}

const variables = [
  ...['_TS_CRMEMORY', '_TS_CRSPEED', '_TS_CRDISK', '_TS_CRARCH', '_TS_CROSTYPE', '_TS_CRMINOSVER', '_TS_CRMAXOSVER'],
  ...['_TS_CROSLANGUAGE', '_TS_CRCLIENTMINVER', '_TS_CRACPOWER', '_TS_CRNETWORK', '_TS_CRWIRED'],
  ...['_TS_CRUEFI', '_TS_CRTPMENABLED', '_TS_CRTPMACTIVATED'],
]
