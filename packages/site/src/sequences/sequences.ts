/**
 * Task sequences: read from what an administrator wrote, kept revision by revision, released.
 *
 *   S1. A faulty file stores nothing: every fault is told with its place.
 *   S2. The same document is the same revision, however it is written.
 *   S3. A revision never changes. It is released under `sequence/<id>/<revision>`; where the site
 *       stopped in between, it is a draft and applying it again releases it. In offline mode it then waits
 *       for the release key; devices keep the revision before.
 *   S4. Sequences that it runs stand in it as they are at that moment: what is signed is what runs. Where one
 *       of them changes, those that run it stay as they are until somebody refreshes them (children.ts).
 */
import {
  checkReferences,
  formatDetail,
  labelQueries,
  nodesOf,
  type ParsedSequence,
  parseSequence,
  readSequence,
  referencedPackages,
  writeSequence,
} from '@sluice/engine'
import {
  type DistributionTarget,
  fail,
  type PackageId,
  type PackageInfo,
  ProblemError,
  type Sequence,
  type SequenceApply,
  type SequenceDocument,
  SequenceId,
  type SequenceInfo,
  type SequenceRefreshed,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { z } from 'zod'
import { changeConcerns } from '../administrators/audit/change.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import { sha256 } from '../catalogue/metadata.ts'
import type { Clock } from '../clock.ts'
import { nextNumbers } from '../db/counter.ts'
import type { Database } from '../db/database.ts'
import { newId } from '../identity/new-id.ts'
import { type ChildRevision, childrenNow, isOutdated, joinChildren, refreshOrder } from './children.ts'
import { newest, sequenceInfos } from './sequence-info.ts'

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
  /**
   * Makes the sequence of the newest revisions of those that it runs, or does so with every one that runs it. Where
   * nothing changed, nothing is made. One that cannot be made so is told, and hinders no other. `NOT_FOUND`
   */
  refresh(idOrName: string, what: 'sequence' | 'parents'): Promise<SequenceRefreshed>
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

  /**
   * S2
   * @param onto the revision that it takes the place of; where another one came meanwhile, nothing is stored
   */
  async function store(sequence: Sequence, bytes: Uint8Array, made: Made, onto: number | undefined) {
    return await db.transaction().execute(async (trx) => {
      await nextNumbers(trx, 'sequences', 1) // one after the other, in all processes of the site
      const hash = sha256(bytes)
      const known = await newest(trx).where('sequences.name', '=', sequence.name).executeTakeFirst()
      if (onto !== undefined && known?.revision !== onto) return undefined
      const applied = made.children.length === 0 ? null : new TextDecoder().decode(writeSequence(made.applied))
      const children = made.children.length === 0 ? null : JSON.stringify(made.children)
      if (known?.sha256 === hash) {
        // What runs is the same; what it was made of may be another.
        await trx
          .updateTable('sequence_revisions')
          .set({ applied, children })
          .where('target', '=', known.target)
          .execute()
        return { id: known.id, target: known.target }
      }

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
          ...{ applied, children },
          description: sequence.description ?? null,
          packages: JSON.stringify(referencedPackages(sequence)),
          candidates: queries.length === 0 ? null : JSON.stringify(queries),
          steps: nodes.filter((node) => node.type !== 'group').length,
          downloads_package_content: nodes.some((node) => node.type === 'downloadPackageContent') ? 1 : 0,
          warnings: JSON.stringify(made.warnings),
          created_at: clock.now(),
        })
        .execute()
      return { id, target }
    })
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
    const [info] = row === undefined ? [] : await sequenceInfos(db, [row])
    return info ?? fail('NOT_FOUND', `There is no sequence ${idOrName}.`)
  }

  /**
   * Stores and releases what an administrator wrote, with the sequences that it runs.
   * @returns undefined: the sequence has another revision than the one that this was to take the place of
   */
  async function make(
    applied: Sequence,
    warnings: readonly string[],
    placeOf?: ParsedSequence['placeOf'],
    onto?: number,
  ): Promise<SequenceInfo | undefined> {
    const { whole, children } = await joinChildren(db, applied) // S4
    const known = await packages(referencedPackages(whole))
    const missing = checkReferences({ sequence: whole, placeOf }, new Set(known.map((one) => one.id)))
    if (missing !== undefined) throw new ProblemError(missing) // S1
    const bytes = writeSequence(whole)
    const stored = await store(whole, bytes, { applied, children, warnings }, onto)
    if (stored === undefined) return undefined
    await catalogue.release(stored.target, bytes) // S3
    onChanged(stored.id)
    return await find(stored.id)
  }

  /** One sequence with the newest of its children; undefined: it has them already. */
  async function refreshOne(info: SequenceInfo): Promise<SequenceInfo | undefined> {
    const { applied, sequence } = await document(info.id, info.revision)
    if (applied === undefined) {
      if ([...nodesOf(sequence)].every(({ node }) => node.type !== 'group' || node.sequence === undefined))
        return undefined
      return fail('CONFLICT', 'It was applied before it was kept what it was made of. Apply its file once more.')
    }
    if (!isOutdated(info.children)) return undefined
    const made = await make(applied, info.warnings, undefined, info.revision)
    return made?.revision === info.revision ? undefined : made
  }

  async function document(idOrName: string, wanted?: number): Promise<SequenceDocument> {
    const { id, revision: newest } = await find(idOrName)
    const revision = wanted ?? newest
    const row = await db
      .selectFrom('sequence_revisions')
      .select(['sha256', 'document', 'applied', 'children', 'created_at'])
      .where('sequence_id', '=', id)
      .where('revision', '=', revision)
      .executeTakeFirst()
    if (row === undefined) return fail('NOT_FOUND', `${idOrName} has the revisions 1 to ${newest}.`)
    const [children = []] = await childrenNow(db, [row.children])
    const createdAt = new Date(row.created_at).toISOString()
    const applied = row.applied === null ? {} : { applied: storedSequence(row.applied) }
    return {
      id,
      revision,
      newest,
      sha256: row.sha256,
      createdAt,
      sequence: storedSequence(row.document),
      ...applied,
      children,
    }
  }

  return {
    async apply({ fileName, text }) {
      const parsed = parseSequence({ file: fileName, text })
      if (!parsed.ok) throw new ProblemError(parsed.problem) // S1
      const { sequence, warnings, placeOf } = parsed.value
      const made = await make(sequence, warnings.map(formatDetail), placeOf)
      return made ?? fail('CONFLICT', `${sequence.name} was changed at the same time.`)
    },
    async refresh(idOrName, what) {
      const answer: SequenceRefreshed = { refreshed: [], left: [] }
      for (const id of await refreshOrder(db, (await find(idOrName)).id, what)) {
        const info = await find(id)
        try {
          const made = await refreshOne(info)
          if (made !== undefined) answer.refreshed.push(made)
        } catch (error) {
          if (!(error instanceof ProblemError)) throw error
          answer.left.push({ id, name: info.name, problem: error.problem })
        }
      }
      return answer
    },
    async list() {
      return await sequenceInfos(db, await newest(db).orderBy('sequences.name').execute())
    },
    find,
    document,
    async distribute(idOrName, to) {
      const changed: PackageInfo[] = []
      for (const id of (await find(idOrName)).packages) changed.push(await distribute(id, to))
      return changed
    },
  }
}

/** What the bytes of a revision were made of. */
interface Made {
  applied: Sequence
  children: ChildRevision[]
  warnings: readonly string[]
}

function storedSequence(text: string): Sequence {
  const read = readSequence(new TextEncoder().encode(text))
  if (!read.ok) throw new ProblemError(read.problem)
  return read.value
}
