/** Reads QR codes, from modules or from pixels. */
import { default as jsqr } from 'jsqr'

const QUIET = 4
const MODULE_PIXELS = 4

/** @param rows as `qrRows` gives them */
export function readQr(rows: readonly string[]): string | undefined {
  const width = (rows.length + 2 * QUIET) * MODULE_PIXELS
  const pixels = new Uint8ClampedArray(width * width * 4).fill(255)
  const moduleAt = (pixel: number) => Math.floor(pixel / MODULE_PIXELS) - QUIET
  for (let y = 0; y < width; y++)
    for (let x = 0; x < width; x++)
      if (rows[moduleAt(y)]?.[moduleAt(x)] === '1') pixels.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3)
  return readPixels(pixels, width, width)
}

/** @param pixels four bytes each: red, green, blue, alpha */
export function readPixels(pixels: Uint8ClampedArray, width: number, height: number): string | undefined {
  // The types of this CommonJS module are those of an ES module.
  const read = jsqr as unknown as typeof jsqr.default
  const found = read(pixels, width, height)
  return found === null ? undefined : Buffer.from(found.binaryData).toString('utf8')
}
