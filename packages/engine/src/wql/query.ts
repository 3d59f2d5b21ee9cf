/** A WQL query as it was understood. */
import type { LikePattern } from './like.ts'

export interface WqlQuery {
  /** Properties in the order of the text; undefined: `*`. */
  select: readonly PlacedName[] | undefined
  from: PlacedName
  where: WqlTerm | undefined
}

/** A name and where it stands. */
export interface PlacedName {
  name: string
  /** Characters before it. */
  at: number
}

export type WqlOperator = '=' | '<>' | '<' | '<=' | '>' | '>='
export type WqlLiteral = string | number | boolean

export type WqlTerm =
  | { kind: 'and'; terms: readonly WqlTerm[] }
  | { kind: 'or'; terms: readonly WqlTerm[] }
  | { kind: 'not'; term: WqlTerm }
  | { kind: 'compare'; property: PlacedName; operator: WqlOperator; value: WqlLiteral }
  | { kind: 'like'; property: PlacedName; pattern: LikePattern }
  | { kind: 'isNull'; property: PlacedName }

/** Every property that the query names. */
export function propertiesOf(query: WqlQuery): PlacedName[] {
  const names: PlacedName[] = [...(query.select ?? [])]
  const visit = (term: WqlTerm): void => {
    if (term.kind === 'not') visit(term.term)
    else if (term.kind === 'and' || term.kind === 'or') term.terms.forEach(visit)
    else names.push(term.property)
  }
  if (query.where !== undefined) visit(query.where)
  return names
}
