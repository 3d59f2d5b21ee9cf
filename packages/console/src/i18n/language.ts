/** Which language the reader gets: the remembered choice, else the browser's first that we have, else English. */

export const languages = ['en', 'de', 'es', 'it', 'sv'] as const
export type Language = (typeof languages)[number]

/** Each in its own words, as a reader looks for it. */
export const languageNames: Record<Language, string> = {
  en: 'English',
  de: 'Deutsch',
  es: 'Español',
  it: 'Italiano',
  sv: 'Svenska',
}

const STORED = 'sluice-language'

const known = (tag: string | null | undefined): Language | undefined =>
  languages.find((language) => tag?.toLowerCase().split('-')[0] === language)

/** @param wanted the browser's language tags, the best first (`navigator.languages`). */
export function chooseLanguage(wanted: readonly string[], remembered?: string | null): Language {
  return known(remembered) ?? wanted.map(known).find((language) => language !== undefined) ?? 'en'
}

/** The tag for numbers and dates: the browser's own region where it speaks the chosen language (`en-GB`). */
export function localeOf(language: Language, wanted: readonly string[]): string {
  return wanted.find((tag) => known(tag) === language) ?? language
}

/** A browser that keeps nothing still gets its language; it only forgets the choice. */
export function rememberedLanguage(): string | null {
  try {
    return window.localStorage.getItem(STORED)
  } catch {
    return null
  }
}

export function rememberLanguage(language: Language): void {
  try {
    window.localStorage.setItem(STORED, language)
  } catch {
    // Nothing to do: the choice holds until the page is closed.
  }
}
