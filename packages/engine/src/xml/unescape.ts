/** One level of the five entities of XML, and of numbers. */
export function unescapeOnce(text: string): string {
  return text.replace(/&(lt|gt|quot|apos|amp|#\d{1,7}|#x[0-9a-f]{1,6});/gi, (whole, name: string) => {
    const known = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }[name.toLowerCase()]
    if (known !== undefined) return known
    const code = name.toLowerCase().startsWith('#x') ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1))
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}
