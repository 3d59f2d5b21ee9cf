import { createInstance, type i18n } from 'i18next'
import de from './de.json' with { type: 'json' }
import en from './en.json' with { type: 'json' }
import es from './es.json' with { type: 'json' }
import it from './it.json' with { type: 'json' }
import type { Language } from './language.ts'
import sv from './sv.json' with { type: 'json' }

/** Every text of the pages. English is the measure: a test compares the others with it, key by key. */
export const texts: Record<Language, typeof en> = { en, de, es, it, sv }

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'translation'
    resources: { translation: typeof en }
  }
}

/** A translator that is ready at once: all texts are in the page, nothing is loaded later. */
export function createTranslator(language: Language): i18n {
  const translator = createInstance({
    lng: language,
    fallbackLng: 'en',
    resources: Object.fromEntries(Object.entries(texts).map(([tag, translation]) => [tag, { translation }])),
    // React escapes what it renders.
    interpolation: { escapeValue: false },
    initAsync: false,
  })
  void translator.init()
  return translator
}
