/** A QR code for the camera of a phone, in characters. */

const QUIET = 4

/**
 * Two rows of modules a line, as halves of blocks. Light modules are the drawn ones, so that the code is dark on
 * light in terminals of light text on dark, and its inverse, which apps read as well, in others.
 * @param rows of modules, `1` is dark
 */
export function qrPicture(rows: readonly string[]): string[] {
  const light = (x: number, y: number) => rows[y]?.[x] !== '1'
  const side = rows.length + 2 * QUIET
  return Array.from({ length: Math.ceil(side / 2) }, (_, line) => {
    const y = 2 * line - QUIET
    return Array.from({ length: side }, (_, column) => {
      const [upper, lower] = [light(column - QUIET, y), light(column - QUIET, y + 1) && y + 1 < side - QUIET]
      return upper ? (lower ? '█' : '▀') : lower ? '▄' : ' '
    }).join('')
  })
}
