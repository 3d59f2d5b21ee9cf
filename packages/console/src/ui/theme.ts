import { type Theme, webDarkTheme, webLightTheme } from '@fluentui/react-components'
import { useSyncExternalStore } from 'react'

/** The fonts of the system: nothing is fetched, and text looks at home on the device. */
const fontFamilyBase =
  "'Segoe UI Variable Text', 'Segoe UI', -apple-system, Roboto, Cantarell, Ubuntu, 'Noto Sans', 'Liberation Sans', sans-serif"
const fontFamilyMonospace = "'Cascadia Mono', Consolas, Menlo, 'Noto Sans Mono', 'Liberation Mono', monospace"

const light: Theme = { ...webLightTheme, fontFamilyBase, fontFamilyMonospace }
const dark: Theme = { ...webDarkTheme, fontFamilyBase, fontFamilyMonospace }

const prefersDark = window.matchMedia('(prefers-color-scheme: dark)')

function onSchemeChange(changed: () => void): () => void {
  prefersDark.addEventListener('change', changed)
  return () => prefersDark.removeEventListener('change', changed)
}

/** Light or dark, as the system is set, also when that changes while the page is open. */
export function useTheme(): Theme {
  return useSyncExternalStore(onSchemeChange, () => prefersDark.matches) ? dark : light
}
