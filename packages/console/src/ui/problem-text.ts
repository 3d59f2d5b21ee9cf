import type { Language } from '../i18n/language.ts'
import { texts } from '../i18n/texts.ts'

/** A problem in words for people. */
export interface ProblemText {
  title: string
  /** What the reader can do, or what happens by itself. */
  advice?: string
  /** The administrator's setting to change: its label, and where it is. */
  setting?: string
  place?: string
}

/** Words for a problem; a code without a translation keeps the title that came with it. */
export function problemText(problem: { code: string; title: string }, language: Language): ProblemText {
  const known: Record<string, ProblemText> = texts[language].problem
  return (Object.hasOwn(known, problem.code) ? known[problem.code] : undefined) ?? { title: problem.title }
}
