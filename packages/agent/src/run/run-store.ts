/**
 * Runs in the agent's state: what was accepted, where the run is, its journal and, at the end, its
 * report. Every method that writes belongs into the transaction of whoever calls it.
 */
import type { SQLOutputValue } from 'node:sqlite'
import type { JournalEntry, RunState } from '@sluice/engine'
import {
  ClientSettings,
  type DeploymentId,
  type PackageId,
  PolicyDeployment,
  PolicyVariable,
  type RunId,
  RunReport,
  Sequence,
} from '@sluice/protocol'
import { z } from 'zod'
import { KeptGrants } from '../download/grants.ts'
import type { State } from '../state/state.ts'
import type { AcceptedDeployment, PausedBy } from './runs.ts'

export interface RunRecord {
  runId: RunId
  /** As it was when the run began: later policy changes nothing for it. */
  accepted: AcceptedDeployment
  /** Milliseconds since 1970. */
  startedAt: number
  /** Name of the operating system before the first step. */
  osBefore: string
  /** From *Install* to the start of the first step; undefined before. */
  firstStepMs: number | undefined
  grants: KeptGrants | undefined
  state: RunState
}

export interface RunStore {
  begin(record: RunRecord, entries: readonly JournalEntry[]): void
  commit(runId: RunId, state: RunState, entries: readonly JournalEntry[], firstStepMs: number | undefined): void
  /** Adds to the journal what the engine does not commit itself. */
  note(runId: RunId, entry: JournalEntry): void
  keepGrants(runId: RunId, grants: KeptGrants): void
  /** Notes that the run shall end; true where it goes on, and then also for a repeated wish. */
  wantCancel(runId: RunId): boolean
  cancelWanted(runId: RunId): boolean
  /** True where that changed something: the run goes on and was not paused by the administrator before. */
  setPaused(runId: RunId, by: PausedBy, at: number): boolean
  endPause(runId: RunId, by: PausedBy, at: number): boolean
  /** The user does not pause it any more. */
  forbidPause(runId: RunId): void
  /** The run without a report. */
  unfinished(): RunId | undefined
  /** Who paused it, and for how many milliseconds its user did so far, all his pauses together. */
  pause(runId: RunId, at: number): { by: PausedBy | undefined; byUserMs: number; userMayNot: boolean }
  finish(runId: RunId, report: RunReport): void
  /** The run without a report. Throws when what is stored cannot be read. */
  active(): RunRecord | undefined
  /** Keeps the run without a report as it is, but never carries it again. */
  giveUp(): void
  journal(runId: RunId): JournalEntry[]
  /** A run that is kept, or the latest one, finished or not. */
  find(runId: RunId | undefined): RunRecord | undefined
  lastReport(deploymentId: DeploymentId): RunReport | undefined
  /** True the first time: the site is to be told that the package is ready. */
  contentTold(runId: RunId, packageId: PackageId): boolean
}

const Accepted = z.object({
  deployment: PolicyDeployment,
  sequence: Sequence,
  clientSettings: ClientSettings,
  variables: z.array(PolicyVariable).default([]),
})
/** What the user's pauses took up to a time, which is the parameter; a clock that went back takes nothing away. */
const USER_PAUSED = "user_paused_ms + CASE paused_by WHEN 'user' THEN max(0, ? - paused_at) ELSE 0 END"
/** Finished runs that are kept, with their journals (E12). */
const KEPT_RUNS = 10

export function createRunStore({ db }: Pick<State, 'db'>): RunStore {
  const insert = db.prepare(
    'INSERT INTO run (run_id, deployment_id, accepted, started_at, os_before, state) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const insertAccepted = db.prepare('INSERT INTO run_accepted (run_id, accepted) VALUES (?, ?)')
  const acceptedOf = db.prepare('SELECT accepted FROM run_accepted WHERE run_id = ?')
  const update = db.prepare('UPDATE run SET state = ?, first_step_ms = ? WHERE run_id = ?')
  const setGrants = db.prepare('UPDATE run SET grants = ? WHERE run_id = ?')
  const setReport = db.prepare('UPDATE run SET report = ?, grants = NULL WHERE run_id = ?')
  const setCancel = db.prepare('UPDATE run SET cancel_wanted = 1 WHERE run_id = ? AND cancel_wanted = 0')
  const wantsCancel = db.prepare('SELECT cancel_wanted FROM run WHERE run_id = ? AND report IS NULL')
  const setPause = db.prepare(
    `UPDATE run SET user_paused_ms = ${USER_PAUSED}, paused_by = ?, paused_at = ?
     WHERE run_id = ? AND report IS NULL AND coalesce(paused_by, '') NOT IN ('administrator', ?)`,
  )
  const clearPause = db.prepare(
    `UPDATE run SET user_paused_ms = ${USER_PAUSED}, paused_by = NULL, paused_at = NULL WHERE run_id = ? AND paused_by = ?`,
  )
  const forbidPause = db.prepare('UPDATE run SET user_may_not_pause = 1 WHERE run_id = ?')
  const wantsPause = db.prepare(
    `SELECT paused_by, user_may_not_pause, ${USER_PAUSED} AS user_paused_ms FROM run WHERE run_id = ? AND report IS NULL`,
  )
  const unfinished = db.prepare('SELECT * FROM run WHERE report IS NULL ORDER BY started_at DESC LIMIT 1')
  const named = db.prepare("SELECT * FROM run WHERE ? IN (run_id, '') ORDER BY started_at DESC LIMIT 1")
  const append = db.prepare(
    'INSERT INTO run_journal (run_id, n, entry) VALUES (?, (SELECT coalesce(max(n), 0) + 1 FROM run_journal WHERE run_id = ?), ?)',
  )
  const entriesOf = db.prepare('SELECT entry FROM run_journal WHERE run_id = ? ORDER BY n')
  const last = db.prepare(
    'SELECT report FROM run WHERE deployment_id = ? AND report IS NOT NULL ORDER BY started_at DESC LIMIT 1',
  )
  const tell = db.prepare('INSERT OR IGNORE INTO run_content (run_id, package_id) VALUES (?, ?)')
  const old = db.prepare('SELECT run_id FROM run WHERE report IS NOT NULL ORDER BY started_at DESC LIMIT -1 OFFSET ?')
  const forget = ['run', 'run_accepted', 'run_journal', 'run_content'].map((table) =>
    db.prepare(`DELETE FROM ${table} WHERE run_id = ?`),
  )
  const appendAll = (runId: RunId, entries: readonly JournalEntry[]) => {
    for (const entry of entries) append.run(runId, runId, JSON.stringify(entry))
  }

  const recordOf = (row: Record<string, SQLOutputValue>): RunRecord => ({
    runId: String(row.run_id) as RunId,
    // Runs that an older agent began have it in their row.
    accepted: Accepted.parse(JSON.parse(String(acceptedOf.get(row.run_id ?? '')?.accepted ?? row.accepted))),
    startedAt: Number(row.started_at),
    osBefore: String(row.os_before),
    firstStepMs: row.first_step_ms === null ? undefined : Number(row.first_step_ms),
    grants: row.grants === null ? undefined : KeptGrants.parse(JSON.parse(String(row.grants))),
    state: JSON.parse(String(row.state)) as RunState,
  })

  return {
    begin(record, entries) {
      const { runId, accepted, startedAt, osBefore, state } = record
      insert.run(runId, accepted.deployment.id, '', startedAt, osBefore, JSON.stringify(state))
      insertAccepted.run(runId, JSON.stringify(accepted))
      appendAll(runId, entries)
    },
    commit(runId, state, entries, firstStepMs) {
      update.run(JSON.stringify(state), firstStepMs ?? null, runId)
      appendAll(runId, entries)
    },
    note: (runId, entry) => appendAll(runId, [entry]),
    keepGrants: (runId, grants) => void setGrants.run(JSON.stringify(grants), runId),
    wantCancel(runId) {
      if (wantsCancel.get(runId) === undefined) return false
      setCancel.run(runId)
      return true
    },
    cancelWanted: (runId) => Number(wantsCancel.get(runId)?.cancel_wanted ?? 0) === 1,
    setPaused: (runId, by, at) => Number(setPause.run(at, by, at, runId, by).changes) > 0,
    endPause: (runId, by, at) => Number(clearPause.run(at, runId, by).changes) > 0,
    forbidPause: (runId) => void forbidPause.run(runId),
    unfinished: () => unfinished.get()?.run_id as RunId | undefined,
    pause(runId, at) {
      const row = wantsPause.get(at, runId)
      const by = row?.paused_by
      return {
        by: by === 'administrator' || by === 'user' ? by : undefined,
        byUserMs: Number(row?.user_paused_ms ?? 0),
        userMayNot: row?.user_may_not_pause === 1,
      }
    },
    finish(runId, report) {
      setReport.run(JSON.stringify(report), runId)
      for (const { run_id: gone } of old.all(KEPT_RUNS)) for (const table of forget) table.run(String(gone))
    },
    active() {
      const row = unfinished.get()
      return row === undefined ? undefined : recordOf(row)
    },
    find(runId) {
      const row = named.get(runId ?? '')
      return row === undefined ? undefined : recordOf(row)
    },
    giveUp: () => void db.exec("UPDATE run SET report = '{}' WHERE report IS NULL"),
    journal: (runId) => entriesOf.all(runId).map((row) => JSON.parse(String(row.entry)) as JournalEntry),
    lastReport(deploymentId) {
      const report = last.get(deploymentId)?.report
      return typeof report === 'string' ? RunReport.safeParse(JSON.parse(report)).data : undefined
    },
    contentTold: (runId, packageId) => Number(tell.run(runId, packageId).changes) > 0,
  }
}
