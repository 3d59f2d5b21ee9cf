/** Values of options, read and refused where they are typed. */
import { PackageId } from '@sluice/protocol'
import { InvalidArgumentError, Option } from 'commander'

/** `--name on|off` */
export const switchOption = (flags: string, description: string): Option =>
  new Option(`${flags} <on|off>`, description).argParser((text: string): boolean => {
    if (text !== 'on' && text !== 'off') throw new InvalidArgumentError('Give on or off.')
    return text === 'on'
  })

/** A whole number within bounds. */
export const wholeNumber =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most)
      throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`)
    return value
  }

/** A time as people write it, with its zone: `2026-01-31T12:00:00Z` or `…+01:00`. */
export function time(text: string): string {
  if (!/T.*(Z|[+-]\d\d:\d\d)$/.test(text) || Number.isNaN(Date.parse(text)))
    throw new InvalidArgumentError('Give a time with its zone, as in 2026-01-31T12:00:00Z.')
  return new Date(text).toISOString()
}

/** `name=value`, collected. */
export function nameAndValue(text: string, before: Record<string, string> = {}): Record<string, string> {
  const split = text.indexOf('=')
  if (split < 1) throw new InvalidArgumentError('Give name=value.')
  return { ...before, [text.slice(0, split)]: text.slice(split + 1) }
}

/** For an argument that is a version of a package. */
export function versionNumber(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new InvalidArgumentError('Give the number of a version, such as 3.')
  return Number(text)
}

/** For an argument that is the id of a package. */
export function packageId(text: string): PackageId {
  const parsed = PackageId.safeParse(text)
  if (!parsed.success) throw new InvalidArgumentError('Give a package id such as ABC00001.')
  return parsed.data
}
