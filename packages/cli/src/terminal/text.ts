/** Text for people: tables, sizes, and nothing that a terminal would take as a command. */

/** Shows control characters instead of obeying them; names come from devices and from files. */
export const printable = (text: string): string =>
  text.replace(/\p{C}/gu, (sign) => `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`)

/** Columns side by side, two blanks apart, under their names. Numbers are set to the right. */
export function table(names: string[], rows: (string | number)[][]): string[] {
  if (rows.length === 0) return ['(none)']
  const cells = [names, ...rows.map((row) => row.map((cell) => printable(String(cell))))]
  const widths = names.map((_, column) => Math.max(...cells.map((row) => Array.from(row[column] ?? '').length)))
  const isNumber = names.map((_, column) => rows.every((row) => typeof row[column] === 'number'))
  return cells.map((row) =>
    row
      .map((cell, column) => {
        const blanks = ' '.repeat((widths[column] ?? 0) - Array.from(cell).length)
        return isNumber[column] === true ? blanks + cell : cell + blanks
      })
      .join('  ')
      .trimEnd(),
  )
}

/** `36.2 MB`: decimal units, as on the line. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** Names and values under each other. */
export function fields(pairs: [string, string | number | undefined][]): string[] {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== '')
  const width = Math.max(...shown.map(([name]) => name.length))
  return shown.map(([name, value]) => `${`${name}:`.padEnd(width + 1)} ${printable(String(value))}`)
}

export const onOff = (value: boolean): string => (value ? 'on' : 'off')
