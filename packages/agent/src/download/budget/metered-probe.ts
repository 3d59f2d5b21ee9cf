/**
 * Whether the line that the device uses now costs by the byte. On Linux NetworkManager knows: by D-Bus, its
 * property `Metered` is about the primary connection. Where there is none, a line is not metered, unless the
 * configuration says so.
 */
import { execFile } from 'node:child_process'

export interface MeteredProbe {
  /** What is known, asked for anew when that is old. Never rejects. */
  look(): Promise<boolean>
  /** As it was found last; false before the first look. */
  last(): boolean
}

/** The longest time that a line that became metered is used as if it were not. */
const AGE_MS = 15_000
const ANSWER_MS = 3_000
/** NMMetered: yes, and guessed yes, as of a phone that is tethered. */
const METERED = [1, 3]

const QUESTION = [
  ...['--system', '--timeout=3', 'get-property', 'org.freedesktop.NetworkManager'],
  ...['/org/freedesktop/NetworkManager', 'org.freedesktop.NetworkManager', 'Metered'],
]

/**
 * @param setting of the agent's configuration
 * @param monotonicMs a clock that only rises
 * @param environment of the question, such as the address of the bus
 */
export function createMeteredProbe(
  setting: 'detect' | 'yes' | 'no',
  monotonicMs: () => number,
  environment: NodeJS.ProcessEnv = process.env,
): MeteredProbe {
  let last = setting === 'yes'
  let askedAt = Number.NEGATIVE_INFINITY
  let asking: Promise<boolean> | undefined
  return {
    last: () => last,
    async look() {
      if (setting !== 'detect' || process.platform !== 'linux') return last
      if (monotonicMs() - askedAt < AGE_MS) return last
      asking ??= askNetworkManager(environment).then((metered) => {
        last = metered
        askedAt = monotonicMs()
        asking = undefined
        return metered
      })
      return asking
    },
  }
}

function askNetworkManager(environment: NodeJS.ProcessEnv): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { timeout: ANSWER_MS, maxBuffer: 64 * 1024, env: environment }
    execFile('busctl', QUESTION, options, (failure, answer) => {
      const [, number] = /^u (\d+)\s*$/.exec(answer) ?? []
      resolve(failure === null && METERED.includes(Number(number)))
    })
  })
}
