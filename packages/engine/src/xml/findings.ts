/** What is told of an import, each with its place in the file. */
import type { SourcePlace } from '@sluice/protocol'

export type FindingKind =
  /** The file, or a sequence in it, cannot be used; the only kind that hinders. */
  | 'unusable'
  /** Sequences that call each other in a circle; it hinders, too. */
  | 'cycle'
  /** A secret stood in clear text; it is not in what is stored. */
  | 'secretRemoved'
  /** A step names a secret whose value is not in the file: exports leave passwords out. */
  | 'missingSecret'
  /** A text looks as if a secret stood in it; it is kept. */
  | 'possibleSecret'
  /** Content is named that nothing here stands for. */
  | 'missingContent'
  /** Something is kept, but the original does not use it, and neither does Sluice. */
  | 'notApplied'
  /** Something works otherwise here. */
  | 'differs'
  /** A name or text was cut or made up. */
  | 'changed'

export interface Finding {
  kind: FindingKind
  severity: 'error' | 'warning'
  /** Name of the sequence. */
  sequence?: string
  place?: SourcePlace
  /** In the native form, as in `steps[2].package`. */
  path?: string
  message: string
}

export const hinders = (kind: FindingKind): boolean => kind === 'unusable' || kind === 'cycle'
