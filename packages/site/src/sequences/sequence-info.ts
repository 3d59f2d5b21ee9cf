/** What is told of the newest revision of a sequence: what it references now, and whether it is released. */
import { LabelQuery, PackageId, type SequenceChild, type SequenceInfo } from '@sluice/protocol'
import { z } from 'zod'
import { type Referenced, withCandidates } from '../content/package-labels.ts'
import type { Db } from '../db/database.ts'
import { childrenNow } from './children.ts'

/** The newest revision of each sequence, and whether it is released. */
export const newest = (db: Db) =>
  db
    .selectFrom('sequences')
    .innerJoin('sequence_revisions as newest', (join) =>
      join.onRef('newest.sequence_id', '=', 'sequences.id').onRef('newest.revision', '=', 'sequences.revision'),
    )
    .leftJoin('catalogue_targets as released', 'released.name', 'newest.target')
    .leftJoin('catalogue_drafts as draft', 'draft.name', 'newest.target')
    .select(['sequences.id', 'sequences.name', 'newest.revision', 'newest.target', 'newest.sha256'])
    .select([
      'newest.packages',
      'newest.candidates',
      'newest.steps',
      'newest.warnings',
      'newest.children',
      'released.sha256 as released_sha256',
    ])
    .select('draft.sha256 as waiting_sha256')

type NewestRow = Awaited<ReturnType<ReturnType<typeof newest>['execute']>>[number]

export async function sequenceInfos(db: Db, rows: NewestRow[]): Promise<SequenceInfo[]> {
  const referenced = await referencedNow(db, rows)
  const children = await childrenNow(
    db,
    rows.map((row) => row.children),
  )
  return rows.map((row, index) => sequenceInfo(row, referenced[index]?.packages ?? [], children[index] ?? []))
}

const PackageIds = z.array(PackageId)
const LabelQueries = z.array(LabelQuery)

/** What revisions reference now: by id, and what has the labels that they ask for. */
export const referencedNow = (
  db: Db,
  rows: readonly { packages: string; candidates: string | null }[],
): Promise<Referenced[]> =>
  withCandidates(
    db,
    rows.map(({ packages, candidates }) => ({
      packages: PackageIds.parse(JSON.parse(packages)),
      queries: LabelQueries.parse(JSON.parse(candidates ?? '[]')),
    })),
  )

function sequenceInfo(row: NewestRow, packages: PackageId[], children: SequenceChild[]): SequenceInfo {
  return {
    id: row.id,
    name: row.name,
    revision: row.revision,
    sha256: row.sha256,
    packages,
    ...(row.candidates === null ? {} : { candidates: LabelQueries.parse(JSON.parse(row.candidates)) }),
    steps: row.steps,
    state:
      row.released_sha256 === row.sha256
        ? 'released'
        : row.waiting_sha256 === row.sha256
          ? 'waitingForRelease'
          : 'draft',
    warnings: z.array(z.string()).parse(JSON.parse(row.warnings)),
    children,
  }
}
