/** The rows of the engine's benchmark: all of them may be at most their target. */
export const engineTargets = {
  'import-300k': { value: 100, unit: 'ms', meaning: 'a task sequence of 300 KB, from XML to the native form' },
  'instruction-overhead': {
    ...{ value: 5, unit: 'ms' },
    meaning: '10,000 instructions with the journal on SQLite: time of each above its own work',
  },
  'commits-per-step': { value: 3, unit: 'commits', meaning: 'durable commits of the step that needs the most' },
} as const satisfies Record<string, { value: number; unit: string; meaning: string }>

export type EngineRowName = keyof typeof engineTargets
export const engineRowNames = Object.keys(engineTargets) as EngineRowName[]

export interface EngineRow {
  name: EngineRowName
  value: number
  unit: string
  target: number
  pass: boolean
  versus: string
}

export function engineRow(name: EngineRowName, value: number, versus: string): EngineRow {
  const { value: target, unit } = engineTargets[name]
  return { name, value: Math.round(value * 1000) / 1000, unit, target, pass: value <= target, versus }
}
