/** The closing table of a run. */
import type { RunReport } from '@sluice/protocol'
import { bytes, duration } from './words.ts'

/** The table as text, for a terminal at least 80 columns wide. */
export function reportText(report: RunReport, gatewayPackBytes: number): string {
  const lines = [
    '',
    report.result === 'success'
      ? `Success: ${report.osBefore} → ${report.osAfter}`
      : `${report.result === 'cancelled' ? 'Cancelled' : 'Failed'}: the device runs ${report.osAfter}`,
  ]
  if (report.result !== 'success') {
    for (const { name, problem } of report.steps) {
      if (!problem) continue
      lines.push(`  step    ${name}${name === report.failedStep ? ' (this one ended the run)' : ''}`)
      lines.push(`  reason  ${problem.title} (${problem.code}): ${problem.detail}`)
    }
    lines.push(`  log     ${report.logPath}`)
  }
  lines.push('', row('Package', 'referenced', 'needed', 'fetched'), '-'.repeat(80))
  for (const part of report.packages)
    lines.push(
      row(`${part.id} ${part.name}`, bytes(part.referencedBytes), bytes(part.neededBytes), bytes(part.fetchedBytes)),
    )
  lines.push('-'.repeat(80))
  lines.push(row('Together', bytes(report.referencedBytes), bytes(report.neededBytes), bytes(report.fetchedBytes)))
  lines.push(
    '',
    `  first step after ${duration(report.firstStepMs)}, everything after ${duration(report.totalMs)}, ` +
      `${report.restarts} restart${report.restarts === 1 ? '' : 's'}`,
    `  metadata ${bytes(report.metadataBytes)}; the gateway counted ${bytes(gatewayPackBytes)} of packs`,
    ...(report.sources === undefined
      ? []
      : [
          `  from the cache ${bytes(report.sources.cacheBytes)}, from other contents and files of the device ${bytes(report.sources.seedBytes)}`,
        ]),
    '',
  )
  return lines.join('\n')
}

const row = (name: string, ...numbers: string[]) =>
  `${name.slice(0, 38).padEnd(38)}${numbers.map((n) => n.padStart(14)).join('')}`
