/**
 * What an administrator is about to do, carried along with his request, so that the first transaction
 * which changes something writes it into the audit by itself (`audited-dialect.ts`): an area need not
 * think of it, and cannot forget it.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { AuditEntry } from '@sluice/protocol'

/** An entry without its place in the chain. */
export type Act = Omit<AuditEntry, 'v' | 'seq' | 'previous'>

export interface Change {
  act: Act
  /**
   * `open`: nothing changed so far. `written`: the entry is durable. `closed`: the request was
   * answered; what goes on in the background is not its change any more.
   */
  state: 'open' | 'written' | 'closed'
}

const changes = new AsyncLocalStorage<Change>()

/** The change that this code runs for. */
export const presentChange = (): Change | undefined => changes.getStore()

/** Runs `work` as this change. */
export async function asChange<T>(change: Change, work: () => Promise<T>): Promise<T> {
  return await changes.run(change, work)
}

/** Runs `work` as nobody's change: the books that sign-in keeps of itself. */
export const withoutChange = <T>(work: () => T): T => changes.exit(work)

/** Names what a change is about, where only the area knows: the id of a new thing. Call it before the statement that changes. */
export function changeConcerns(subject: string): void {
  const change = changes.getStore()
  if (change?.state === 'open') change.act.subject = subject
}
