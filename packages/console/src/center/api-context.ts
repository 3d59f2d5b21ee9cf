import { createContext, useContext } from 'react'
import type { CenterApi } from './center-api.ts'

export const ApiContext = createContext<CenterApi | undefined>(undefined)

/** The service behind the page. */
export function useApi(): CenterApi {
  const api = useContext(ApiContext)
  if (!api) throw new Error('useApi outside of ApiContext')
  return api
}
