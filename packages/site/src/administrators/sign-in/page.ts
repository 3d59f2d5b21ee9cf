/** The page on which administrators sign in: three files, texts in five languages, and a policy that lets nothing else in. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

export const pageLanguages = ['en', 'de', 'es', 'it', 'sv'] as const
export type PageLanguage = (typeof pageLanguages)[number]

export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
}

const file = (name: string) => readFileSync(new URL(`./page/${name}`, import.meta.url), 'utf8')
const Texts = z.record(z.string(), z.string())

export interface SignInPage {
  script: string
  style: string
  /** @param notice said on top of the page, as text */
  html(language: PageLanguage, siteName: string, notice?: string): string
}

export function readSignInPage(): SignInPage {
  const template = file('page.html')
  const texts = Object.fromEntries(
    pageLanguages.map((language) => [language, Texts.parse(JSON.parse(file(`texts/${language}.json`)))]),
  ) as Record<PageLanguage, Record<string, string>>
  return {
    script: file('page.js'),
    style: file('page.css'),
    html(language, site, notice = '') {
      const values: Record<string, string> = { ...texts[language], site, notice }
      const inLanguage = template.replace('<html lang="en">', `<html lang="${language}">`)
      return inLanguage.replaceAll(/\{\{(\w+)\}\}/g, (_, key: string) => {
        const value = values[key]
        if (value === undefined) throw new Error(`the page has no text ${key} in ${language}`)
        return escaped(value)
      })
    },
  }
}

/** The first language of the browser that the page has (RFC 9110, 12.5.4, without weights: browsers send them in order). */
export function languageOf(accepted: string | null): PageLanguage {
  for (const one of (accepted ?? '').slice(0, 500).split(',')) {
    const found = pageLanguages.find((language) => one.trim().toLowerCase().split(/[-;]/)[0] === language)
    if (found !== undefined) return found
  }
  return 'en'
}

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
