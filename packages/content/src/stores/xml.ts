/** Reads the flat XML that S3 answers: no attributes that matter, no element inside one of its own name. */

/** The inner XML of every element of a name, in order. */
export function elements(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>([^]*?)</${name}>`, 'g'))].map((match) => match[1] ?? '')
}

/** The text of the first element of a name. */
export function text(xml: string, name: string): string | undefined {
  return elements(xml, name)[0]?.replace(/&(lt|gt|quot|apos|amp|#\d+|#x[\da-f]+);/gi, (_, entity: string) =>
    decode(entity),
  )
}

const named: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }

function decode(entity: string): string {
  const known = named[entity.toLowerCase()]
  if (known !== undefined) return known
  const code = /^#x/i.test(entity) ? Number.parseInt(entity.slice(2), 16) : Number.parseInt(entity.slice(1), 10)
  return code <= 0x10ffff ? String.fromCodePoint(code) : ''
}
