/** A text as a QR code (ISO/IEC 18004), as rows of modules: who shows it draws them. */
import qrcode from 'qrcode-generator'

/** More would be a picture that no camera reads from a screen. */
const MAX_TEXT_BYTES = 1_000

/**
 * The smallest code that holds the text in UTF-8, with error correction of level M (15 %).
 * @returns rows from the top, `1` for a dark module; without the quiet zone of four modules around it. Undefined for
 * a text that is too long.
 */
export function qrRows(text: string): string[] | undefined {
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.length > MAX_TEXT_BYTES) return undefined
  const code = qrcode(0, 'M')
  // The library takes one character for one byte.
  code.addData(bytes.toString('latin1'), 'Byte')
  code.make()
  const modules = Array.from({ length: code.getModuleCount() }, (_, index) => index)
  return modules.map((row) => modules.map((column) => (code.isDark(row, column) ? '1' : '0')).join(''))
}
