/** Tells the site what the device thinks of its deployments, when that changed and not at every poll. */
import type { Outbox } from '../report/outbox.ts'
import type { State } from '../state/state.ts'
import type { EvaluatedDeployment } from './evaluation.ts'

export interface EvaluationReports {
  /** All deployments of the present policy. Durable together with the message. */
  report(evaluated: readonly EvaluatedDeployment[]): void
}

export function createEvaluationReports(state: State, outbox: Pick<Outbox, 'enqueue'>): EvaluationReports {
  const { db } = state
  const read = db.prepare('SELECT revision, refusals FROM evaluation WHERE deployment_id = ?')
  const write = db.prepare('INSERT OR REPLACE INTO evaluation (deployment_id, revision, refusals) VALUES (?, ?, ?)')
  const known = db.prepare('SELECT deployment_id FROM evaluation')
  const remove = db.prepare('DELETE FROM evaluation WHERE deployment_id = ?')
  return {
    report(evaluated) {
      state.transaction(() => {
        const present = new Set<unknown>(evaluated.map(({ deployment }) => deployment.id))
        for (const { deployment_id: id } of known.all()) if (!present.has(id)) remove.run(id ?? null)
        for (const { deployment, refusals, unfinished } of evaluated) {
          // What could not be looked up is told when it could.
          if (unfinished) continue
          const { id, revision } = deployment
          const text = JSON.stringify(refusals)
          const last = read.get(id)
          if (last?.revision === revision && last.refusals === text) continue
          write.run(id, revision, text)
          outbox.enqueue({ kind: 'deploymentEvaluated', deploymentId: id, revision, refusals: refusals.slice(0, 20) })
        }
      })
    },
  }
}
