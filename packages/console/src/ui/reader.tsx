/** The person in front of the page: language, and the form of numbers and times. */
import type { TFunction } from 'i18next'
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react'
import { chooseLanguage, type Language, localeOf, rememberedLanguage, rememberLanguage } from '../i18n/language.ts'
import { createTranslator } from '../i18n/texts.ts'
import { createMeasures, type Measures } from './measures.ts'

export interface Reader {
  t: TFunction
  measures: Measures
  language: Language
  /** Changes the language at once and remembers it. */
  choose(language: Language): void
}

const ReaderContext = createContext<Reader | undefined>(undefined)

export function ReaderProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState(() => chooseLanguage(navigator.languages, rememberedLanguage()))
  const reader = useMemo<Reader>(
    () => ({
      t: createTranslator(language).t,
      measures: createMeasures(localeOf(language, navigator.languages)),
      language,
      choose: (chosen) => {
        rememberLanguage(chosen)
        setLanguage(chosen)
      },
    }),
    [language],
  )
  // For screen readers, hyphenation and the browser's own translation.
  useEffect(() => {
    document.documentElement.lang = language
  }, [language])
  return <ReaderContext.Provider value={reader}>{children}</ReaderContext.Provider>
}

export function useReader(): Reader {
  const reader = useContext(ReaderContext)
  if (!reader) throw new Error('useReader outside of ReaderProvider')
  return reader
}
