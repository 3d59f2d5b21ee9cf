/**
 * Writes `docs/problems.md` from the table of problem codes, so that code and page cannot differ.
 * `--check` fails when the page is not what the table says.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type ProblemKind, problems } from '@sluice/protocol'

const page = fileURLToPath(new URL('../docs/problems.md', import.meta.url))

const advice = {
  never: 'Trying again does not help.',
  later: 'Sluice tries again by itself, with growing pauses.',
  now: 'Sluice tries again at once, another way.',
} as const

function text(): string {
  const parts = [
    '# Problems',
    '',
    'Every expected failure has a code. It is in the answer of the API, in the status of the device,',
    'in Software Center and in the logs. This page is made from the code (`npm run docs:problems`).',
    '',
  ]
  for (const [code, kind] of Object.entries(problems as Record<string, ProblemKind>).sort(([a], [b]) =>
    a < b ? -1 : 1,
  ))
    parts.push(`## ${code}`, '', `${kind.title}. HTTP ${kind.status}. ${advice[kind.retry]}`, '', kind.remedy, '')
  return parts.join('\n')
}

if (process.argv.includes('--check')) {
  if ((await readFile(page, 'utf8')) !== text()) {
    console.error('docs/problems.md is not what the table of problem codes says: run `npm run docs:problems`')
    process.exit(1)
  }
  console.log('docs/problems.md agrees with the table of problem codes')
} else await writeFile(page, text())
