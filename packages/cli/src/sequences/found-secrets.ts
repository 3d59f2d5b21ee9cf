/** Secrets that stood in clear text in imported sequences, made secrets of the site. Values are never told. */
import type { FoundSecret } from '@sluice/engine'
import type { Site } from '../connect/site.ts'

export interface ToldSecret {
  /** Of the secret at the site, and in the sequences. */
  name: string
  /** Variables of the original whose values it was. */
  fields: string[]
  /** `kept`: the site had one of that name, which stays as it is. Absent: nothing was stored. */
  site?: 'made' | 'kept'
}

/** Each name once, in the order of the file. */
export function toldSecrets(found: readonly FoundSecret[]): ToldSecret[] {
  const told = new Map<string, ToldSecret>()
  for (const { suggestedName: name, field } of found) {
    const one = told.get(name) ?? { name, fields: [] }
    if (!one.fields.includes(field)) one.fields.push(field)
    told.set(name, one)
  }
  return [...told.values()]
}

/** Never replaces a secret of the site. @throws ProblemError */
export async function storeSecrets(site: Site, found: readonly FoundSecret[]): Promise<ToldSecret[]> {
  const present = new Set((await site.call('secrets')).map(({ name }) => name))
  const told: ToldSecret[] = []
  for (const one of toldSecrets(found)) {
    const value = found.find(({ suggestedName }) => suggestedName === one.name)?.reveal()
    const isKept = present.has(one.name)
    if (!isKept && value !== undefined) await site.call('setSecret', { id: one.name, body: { value } })
    told.push({ ...one, site: isKept ? 'kept' : 'made' })
  }
  return told
}

export const secretLine = ({ name, fields, site }: ToldSecret): string =>
  `Warning: ${fields.join(', ')} stood in clear text. ${
    site === 'made'
      ? `It is the secret ${name} of the site now; change the password where the file has been.`
      : site === 'kept'
        ? `The site has a secret ${name} already, which stays as it is: see that it is this one.`
        : `Set it with: sluice secrets set ${name}`
  }`
