/** Keeps the last accepted policy in the agent's state. */
import { Envelope, Sha256 } from '@sluice/protocol'
import type { State } from '../state/state.ts'
import type { PolicyStore } from '../trust/policy.ts'

export function createPolicyStore({ db }: State): PolicyStore {
  const read = db.prepare('SELECT epoch, seq, body_hash, head, body, signed_at FROM policy')
  const write = db.prepare(
    'INSERT OR REPLACE INTO policy (one, epoch, seq, body_hash, head, body, signed_at) VALUES (1, ?, ?, ?, ?, ?, ?)',
  )
  return {
    load() {
      const row = read.get()
      if (row === undefined) return undefined
      return {
        epoch: Number(row.epoch),
        seq: Number(row.seq),
        bodyHash: Sha256.parse(row.body_hash),
        head: Envelope.parse(JSON.parse(String(row.head))),
        body: Envelope.parse(JSON.parse(String(row.body))),
        signedAt: Number(row.signed_at),
      }
    },
    save({ epoch, seq, bodyHash, head, body, signedAt }) {
      write.run(epoch, seq, bodyHash, JSON.stringify(head), JSON.stringify(body), signedAt)
    },
  }
}
