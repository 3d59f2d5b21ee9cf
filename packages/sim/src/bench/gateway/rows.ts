/** The rows of the gateway's benchmark: what is measured and what it should come to. */
export const gatewayTargets = {
  'idle-agents-memory': {
    ...{ kind: 'most', value: 1000, unit: 'MB' },
    meaning: '10,000 agents that listen over TLS: largest memory of the gateway',
  },
  'policy-polls': {
    ...{ kind: 'least', value: 2000, unit: 'polls/s' },
    meaning: 'policy through gateway and site, 40 ms between them; 99 of 100 within 200 ms',
  },
  'policy-polls-beside-bulk': {
    ...{ kind: 'least', value: 0.5, unit: 'ratio' },
    meaning: 'the same while the gateway pulls content: of the rate alone',
  },
  'restart-recovery': {
    ...{ kind: 'most', value: 60, unit: 's' },
    meaning: 'gateway killed and started with 2,000 agents: all back, no acknowledged message lost',
  },
} as const satisfies Record<string, { kind: 'most' | 'least'; value: number; unit: string; meaning: string }>

export type GatewayRowName = keyof typeof gatewayTargets
export const gatewayRowNames = Object.keys(gatewayTargets) as GatewayRowName[]

export interface GatewayRow {
  name: GatewayRowName
  value: number
  unit: string
  target: number
  pass: boolean
  /** What stands behind the value. */
  versus: string
}

/** @param also what else must hold for the row to pass */
export function gatewayRow(name: GatewayRowName, value: number, versus: string, also = true): GatewayRow {
  const { kind, value: target, unit } = gatewayTargets[name]
  const pass = also && (kind === 'most' ? value <= target : value >= target)
  return { name, value: Math.round(value * 1000) / 1000, unit, target, pass, versus }
}

/** The result for people. @param about lines on when and where it was measured */
export function gatewayTable(rows: readonly GatewayRow[], about: readonly string[]): string {
  const lines = rows.map(({ name, value, target, pass, versus }) => {
    const { kind, unit, meaning } = gatewayTargets[name]
    const sign = kind === 'most' ? '≤' : '≥'
    return `| \`${name}\` | ${meaning} | ${value} ${unit} | ${sign} ${target} | ${pass ? 'yes' : '**no**'} | ${versus} |`
  })
  const missing = gatewayRowNames.filter((name) => !rows.some((row) => row.name === name))
  return [
    '# Gateway: measured',
    '',
    ...about,
    '',
    '| row | what | value | target | met | behind it |',
    '| --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
    ...missing.map((name) => `- \`${name}\` was not measured: left out of this run.`),
    ...(missing.length > 0 ? [''] : []),
    'How it is measured: [README.md](README.md).',
    '',
  ].join('\n')
}
