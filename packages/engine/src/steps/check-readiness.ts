import { problem } from '@sluice/protocol'
import { compareValues } from '../compare.ts'
import { done, type StepKind } from './step-kind.ts'

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
    const facts = await host.facts()
    const checks: Check[] = []
    const atLeast = (variable: string, what: string, found: number, needed: number | undefined, unit: string): void => {
      if (needed !== undefined)
        checks.push({ variable, told: `${what}: ${found} ${unit} of ${needed} ${unit}`, met: found >= needed })
    }
    const same = (variable: string, what: string, found: string, needed: string | undefined): void => {
      if (needed !== undefined)
        checks.push({ variable, told: `${what}: ${found}, needed ${needed}`, met: found === needed })
    }
    const memoryMB = Math.floor(facts.memoryBytes / MiB)
    atLeast('_TS_CRMEMORY', 'memory', memoryMB, step.minimumMemoryMB, 'MB')
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

    for (const variable of variables) environment.setOwn(variable, '')
    for (const check of checks) environment.setOwn(check.variable, check.met ? '1' : '0')
    if (checks.every((check) => check.met)) return done()
    const list = checks.map(({ told, met }) => `${told} (${met ? 'met' : 'not met'})`)
    return done(problem('READINESS_FAILED', `${list.join('; ')}.`))
  },
}

const variables = [
  '_TS_CRMEMORY',
  '_TS_CRSPEED',
  '_TS_CRDISK',
  '_TS_CRARCH',
  '_TS_CROSTYPE',
  '_TS_CRMINOSVER',
  '_TS_CRMAXOSVER',
]
