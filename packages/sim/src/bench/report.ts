/** The result for people: a table in Markdown and a chart. */
import type { KeptRow } from './kept-rows.ts'
import { type Row, rowNames, targets } from './rows.ts'

const sign = (row: Row) => (targets[row.name].kind === 'most' ? '≤' : '≥')

/** @param about lines on where it was measured */
export function tableOf(rows: readonly KeptRow[], about: readonly string[]): string {
  const lines = rows.map(
    (row) =>
      `| \`${row.name}\` | ${targets[row.name].meaning} | ${row.value} | ${sign(row)} ${row.target} | ${row.pass ? 'yes' : '**no**'} | ${row.versus} | ${row.measuredOn} |`,
  )
  const missing = rowNames.filter((name) => !rows.some((row) => row.name === name))
  return [
    '# Content: measured',
    '',
    ...about,
    '',
    '| row | what | value | target | met | behind it | on |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
    ...missing.map((name) => `- \`${name}\` was not measured.`),
    '',
    '![How much of each target is used](content.svg)',
    '',
    'How it is measured: [README.md](README.md).',
    '',
  ].join('\n')
}

const WIDTH = 760
const BAR = 24
const LEFT = 170
/** Where the target stands: a bar that ends left of it has met it. */
const AT_TARGET = 400

/** Each row's value as a share of its target; the line is the target, and shorter is better. */
export function chartOf(rows: readonly Row[]): string {
  const bars = rows.map((row, i) => {
    const share = targets[row.name].kind === 'most' ? row.value / row.target : row.target / row.value
    const width = Math.min(WIDTH - LEFT - 60, share * AT_TARGET)
    const y = 30 + i * (BAR + 8)
    return [
      `<text x="${LEFT - 8}" y="${y + 16}" text-anchor="end">${row.name}</text>`,
      `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${row.pass ? '#2a7d4f' : '#b3402e'}"/>`,
      `<text x="${(LEFT + width + 6).toFixed(1)}" y="${y + 16}">${Math.round(share * 100)} %</text>`,
    ].join('')
  })
  const height = 40 + rows.length * (BAR + 8)
  const line = `<path d="M${LEFT + AT_TARGET} 22V${height - 8}" stroke="#222" stroke-dasharray="4 3"/>`
  const label = `<text x="${LEFT + AT_TARGET}" y="16" text-anchor="middle">target</text>`
  const style = 'font-family="sans-serif" font-size="12" fill="#222"'
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" ${style}><title>Each row beside its target</title><rect width="100%" height="100%" fill="#fff"/>${bars.join('')}${line}${label}</svg>\n`
}
