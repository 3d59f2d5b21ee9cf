/** One stretch of the way between a device and its site, as it was found; and how people read it. */
import { type Problem, problems } from '@sluice/protocol'

export type Hop = { hop: string } & (
  | { outcome: 'passed' | 'skipped'; detail: string }
  | { outcome: 'warned' | 'failed'; problem: Problem }
)

export const passedHop = (hop: string, detail: string): Hop => ({ hop, outcome: 'passed', detail })
/** @param detail why nobody looked */
export const skippedHop = (hop: string, detail: string): Hop => ({ hop, outcome: 'skipped', detail })
export const warnedHop = (hop: string, problem: Problem): Hop => ({ hop, outcome: 'warned', problem })
export const failedHop = (hop: string, problem: Problem): Hop => ({ hop, outcome: 'failed', problem })

export const isFault = ({ outcome }: Hop): boolean => outcome === 'failed'

const signs = { passed: '✓', skipped: '-', warned: '!', failed: '✗' } as const

/** What a server said of itself drives no terminal. */
const printable = (text: string): string => text.replace(/\p{C}/gu, '?')

/** A line, and for what is wrong a second one that says what to do. */
export function hopLines(one: Hop): string[] {
  const line = `${signs[one.outcome]} ${one.hop}: `
  if ('detail' in one) return [printable(`${line}${one.detail}`)]
  const { title, code, detail } = one.problem
  return [printable(`${line}${title}. ${detail} (${code})`), `    What to do: ${problems[code].remedy}`]
}
