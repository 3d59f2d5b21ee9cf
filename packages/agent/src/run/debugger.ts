/**
 * The debugger on the device: which orders wait for the run, and what each makes of it. What it means
 * is the engine's (`debug.ts` there); when the run asks is `carry-run.ts`'s.
 *
 *   U1. Whether a run may be debugged is decided here, from the signed sequence and the signed root of the
 *       catalogue: in offline mode only a sequence with `debug: true`. A site, or whoever has it, cannot
 *       lift that.
 *   U2. Orders come with each accepted policy, which is durable; the number of the last one that counted
 *       is in the run's state. So nothing is obeyed twice, and nothing that policy still names is lost.
 */
import { open } from 'node:fs/promises'
import { type InstructionTable, type JournalEntry, obey, type RunState, refuseOrder } from '@sluice/engine'
import {
  type CatalogueMode,
  DebugOrder,
  debugBounds,
  type NumberedDebugOrder,
  problem,
  type RunId,
  type Sequence,
} from '@sluice/protocol'

/** U1 */
export const mayDebug = (sequence: Pick<Sequence, 'debug'>, mode: CatalogueMode): boolean =>
  mode === 'online' || sequence.debug === true

/** The next order for a run, of those that policy names (U2). */
export const nextOrder = (
  orders: readonly NumberedDebugOrder[],
  runId: RunId,
  state: RunState,
): NumberedDebugOrder | undefined =>
  orders
    .filter((one) => one.runId === runId && one.n > (state.debug?.order ?? 0))
    .reduce<NumberedDebugOrder | undefined>(
      (first, one) => (first === undefined || one.n < first.n ? one : first),
      undefined,
    )

/**
 * @param allowed U1
 * @returns what is to be committed, and whether the answer shall hold the log
 */
export function obeyOrder(
  table: InstructionTable,
  state: RunState,
  numbered: NumberedDebugOrder,
  { allowed, at }: { allowed: boolean; at: number },
): { state: RunState; entries: JournalEntry[]; showsLog: boolean } {
  const { n } = numbered
  const order = DebugOrder.safeParse(numbered.order)
  if (!allowed || !order.success) {
    const text = String(numbered.order.kind ?? '').slice(0, 64)
    const why = allowed
      ? problem('DEBUG_REFUSED', 'This agent does not know the order.')
      : problem('DEBUG_NOT_ALLOWED', 'The release keys are elsewhere, and the released sequence has no `debug: true`.')
    return { ...refuseOrder(state, { n, text, problem: why, at }), showsLog: false }
  }
  const showsLog = order.data.kind === 'look' && order.data.log
  return { ...obey(table, state, { n, order: order.data, at }), showsLog }
}

/** The end of a log, from the start of a line; empty when it cannot be read. */
export async function endOfLog(path: string): Promise<string> {
  try {
    await using file = await open(path)
    const { size } = await file.stat()
    // A character may take more than one byte: fewer characters than bytes come of it, never more.
    const wanted = Math.min(size, debugBounds.logText)
    const { bytesRead, buffer } = await file.read(Buffer.alloc(wanted), 0, wanted, size - wanted)
    const text = buffer.toString('utf8', 0, bytesRead)
    return size > wanted ? text.slice(text.indexOf('\n') + 1) : text
  } catch {
    return ''
  }
}
