import type { Environment } from '../run/variables.ts'

/**
 * Values of a dynamic list: `Apps01`, `Apps02`, … up to the first that is not set (configmgr-behaviour §3.4).
 * @param digits of the numbers: 2 for applications, 3 for packages
 */
export function numberedValues(base: string, digits: number, environment: Environment): string[] {
  const values: string[] = []
  for (let number = 1; number < 10 ** digits; number++) {
    const value = environment.get(`${base}${String(number).padStart(digits, '0')}`)
    if (value === undefined) break
    values.push(value)
  }
  return values
}
