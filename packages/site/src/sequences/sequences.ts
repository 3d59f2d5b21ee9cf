/**
 * Task sequences: read from what an administrator wrote, kept revision by revision, released.
 *
 *   S1. A faulty file stores nothing: every fault is told with its place.
 *   S2. The same document is the same revision, however it is written.
 *   S3. A revision never changes. It is released under `sequence/<id>/<revision>`; where the site
 *       stopped in between, it is a draft and applying it again releases it. In offline mode it then waits
 *       for the release key; devices keep the revision before.
 *   S4. Sequences that it runs stand in it as they are at that moment: what is signed is what runs. Where one
 *       of them changes, those that run it are applied again.
 */
import {
  checkReferences,
  childrenOf,
  formatDetail,
  labelQueries,
  nodesOf,
  parseSequence,
  readSequence,
  referencedPackages,
  withChildren,
  writeSequence,
} from '@sluice/engine'
import {
  type DistributionTarget,
  fail,
  LabelQuery,
  PackageId,
  type PackageInfo,
  ProblemError,
  type Sequence,
  type SequenceApply,
  type SequenceDocument,
  SequenceId,
  type SequenceInfo,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import { changeConcerns } from '../administrators/audit/change.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import { sha256 } from '../catalogue/metadata.ts'
import type { Clock } from '../clock.ts'
import { type Referenced, withCandidates } from '../content/package-labels.ts'
import { nextNumbers } from '../db/counter.ts'
import type { Database, Db } from '../db/database.ts'
import { newId } from '../identity/new-id.ts'

export interface Sequences {
  /**
   * Creates or replaces the sequence with the name in the text.
   * @throws ProblemError `SEQUENCE_INVALID` or `SEQUENCE_REFERENCE_MISSING`, each fault in `errors`
   */
  apply(request: z.output<typeof SequenceApply>): Promise<SequenceInfo>
  list(): Promise<SequenceInfo[]>
  /** By id or name. `NOT_FOUND` */
  find(idOrName: string): Promise<SequenceInfo>
  /** A revision by id or name of the sequence, the newest where none is asked for. `NOT_FOUND` */
  document(idOrName: string, revision?: number): Promise<SequenceDocument>
  /** Sends everything that the newest revision references to these points. */
  distribute(idOrName: string, to: readonly DistributionTarget[]): Promise<PackageInfo[]>
}

/**
 * @param packages gives those of the ids that there are
 * @param distribute adds points to where a package shall be
 * @param onChanged told after a new revision is released
 */
export function createSequences(options: {
  db: Kysely<Database>
  clock: Clock
  catalogue: Pick<Catalogue, 'release'>
  packages(ids: readonly PackageId[]): Promise<PackageInfo[]>
  distribute(id: PackageId, to: readonly DistributionTarget[]): Promise<PackageInfo>
  onChanged(id: SequenceId): void
}): Sequences {
  const { db, clock, catalogue, packages, distribute, onChanged } = options

  /** S2 */
  async function store(sequence: Sequence, bytes: Uint8Array, warnings: readonly string[]) {
    return await db.transaction().execute(async (trx) => {
      await nextNumbers(trx, 'sequences', 1) // one after the other, in all processes of the site
      const hash = sha256(bytes)
      const known = await newest(trx).where('sequences.name', '=', sequence.name).executeTakeFirst()
      if (known?.sha256 === hash) return { id: known.id, target: known.target }

      const id = known?.id ?? newId('seq', SequenceId)
      changeConcerns(id)
      const revision = (known?.revision ?? 0) + 1
      const target = `sequence/${id}/${revision}`
      await trx
        .insertInto('sequences')
        .values({ id, name: sequence.name, revision })
        .onConflict((conflict) => conflict.column('id').doUpdateSet({ revision }))
        .execute()
      const queries = labelQueries(sequence).map(({ labels }) => labels)
      const nodes = [...nodesOf(sequence)].map(({ node }) => node)
      await trx
        .insertInto('sequence_revisions')
        .values({
          sequence_id: id,
          revision,
          target,
          sha256: hash,
          document: new TextDecoder().decode(bytes),
          description: sequence.description ?? null,
          packages: JSON.stringify(referencedPackages(sequence)),
          candidates: queries.length === 0 ? null : JSON.stringify(queries),
          steps: nodes.filter((node) => node.type !== 'group').length,
          downloads_package_content: nodes.some((node) => node.type === 'downloadPackageContent') ? 1 : 0,
          warnings: JSON.stringify(warnings),
          created_at: clock.now(),
        })
        .execute()
      return { id, target }
    })
  }

  async function infos(rows: NewestRow[]): Promise<SequenceInfo[]> {
    const referenced = await referencedNow(db, rows)
    return rows.map((row, index) => sequenceInfo(row, referenced[index]?.packages ?? []))
  }

  async function find(idOrName: string): Promise<SequenceInfo> {
    const id = SequenceId.safeParse(idOrName)
    const rows = await newest(db)
      .where((eb) =>
        eb.or([eb('sequences.name', '=', idOrName), ...(id.success ? [eb('sequences.id', '=', id.data)] : [])]),
      )
      .execute()
    // A sequence may be named like another one's id; the id counts.
    const row = rows.find((one) => one.id === idOrName) ?? rows[0]
    const [info] = row === undefined ? [] : await infos([row])
    return info ?? fail('NOT_FOUND', `There is no sequence ${idOrName}.`)
  }

  /** S4 */
  async function joined(sequence: Sequence): Promise<Sequence> {
    const wanted = childrenOf(sequence)
    if (wanted.length === 0) return sequence
    const rows = await db
      .selectFrom('sequences')
      .innerJoin('sequence_revisions as newest', (join) =>
        join.onRef('newest.sequence_id', '=', 'sequences.id').onRef('newest.revision', '=', 'sequences.revision'),
      )
      .select(['sequences.id', 'sequences.name', 'newest.document'])
      .where((eb) => eb.or([eb('sequences.id', 'in', wanted), eb('sequences.name', '=', sequence.name)]))
      .execute()
    const children = new Map(rows.map(({ id, document }) => [id, document]))
    const whole = withChildren(sequence, rows.find(({ name }) => name === sequence.name)?.id, (id) => {
      const document = children.get(id)
      const read = document === undefined ? undefined : readSequence(new TextEncoder().encode(document))
      return read?.ok === true ? read.value : undefined
    })
    if (!whole.ok) throw new ProblemError(whole.problem) // S1
    return whole.value
  }

  return {
    async apply({ fileName, text }) {
      const parsed = parseSequence({ file: fileName, text })
      if (!parsed.ok) throw new ProblemError(parsed.problem) // S1
      const { warnings } = parsed.value
      const sequence = await joined(parsed.value.sequence)
      const known = await packages(referencedPackages(sequence))
      const missing = checkReferences({ ...parsed.value, sequence }, new Set(known.map((one) => one.id)))
      if (missing !== undefined) throw new ProblemError(missing) // S1
      const bytes = writeSequence(sequence)
      const { id, target } = await store(sequence, bytes, warnings.map(formatDetail))
      await catalogue.release(target, bytes) // S3
      onChanged(id)
      return await find(id)
    },
    async list() {
      return await infos(await newest(db).orderBy('sequences.name').execute())
    },
    find,
    async document(idOrName, wanted) {
      const { id, revision: newest } = await find(idOrName)
      const revision = wanted ?? newest
      const row = await db
        .selectFrom('sequence_revisions')
        .select(['sha256', 'document', 'created_at'])
        .where('sequence_id', '=', id)
        .where('revision', '=', revision)
        .executeTakeFirst()
      if (row === undefined) return fail('NOT_FOUND', `${idOrName} has the revisions 1 to ${newest}.`)
      const sequence = readSequence(new TextEncoder().encode(row.document))
      if (!sequence.ok) throw new ProblemError(sequence.problem)
      const createdAt = new Date(row.created_at).toISOString()
      return { id, revision, newest, sha256: row.sha256, createdAt, sequence: sequence.value }
    },
    async distribute(idOrName, to) {
      const changed: PackageInfo[] = []
      for (const id of (await find(idOrName)).packages) changed.push(await distribute(id, to))
      return changed
    },
  }
}

/** The newest revision of each sequence, and whether it is released. */
const newest = (db: Db) =>
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
      'released.sha256 as released_sha256',
    ])
    .select('draft.sha256 as waiting_sha256')

type NewestRow = Awaited<ReturnType<ReturnType<typeof newest>['execute']>>[number]

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

function sequenceInfo(row: NewestRow, packages: PackageId[]): SequenceInfo {
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
  }
}
