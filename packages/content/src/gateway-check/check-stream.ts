/** Whether a quiet connection lives: what devices hear of news on, between two of their polls. */
import { request } from 'node:https'
import { DeviceNotice, devicePath, deviceRoutes, noticeBounds, type Problem, problem } from '@sluice/protocol'
import { type Asker, parsed, refusalOf } from './asker.ts'
import { checkBounds } from './dial.ts'
import { failedHop, type Hop, passedHop } from './hop.ts'

interface StreamOrder {
  deviceUrl: string
  holdMs: number
  /** As a device that listens for news; otherwise a connection on which nothing happens. */
  listens: boolean
  signal: AbortSignal
}

export async function checkStream(asker: Asker, order: StreamOrder): Promise<Hop> {
  const hop = 'Quiet connection'
  const fault = order.listens ? await listen(asker, order) : await rest(asker, order)
  if (fault !== undefined) return failedHop(hop, fault)
  return passedHop(hop, `${order.listens ? 'gives news at once, and ' : ''}lives for ${order.holdMs / 1000} s`)
}

/** Two requests on one connection, and nothing between them. */
async function rest(asker: Asker, { holdMs, signal }: StreamOrder): Promise<Problem | undefined> {
  const ask = () => asker.stranger(deviceRoutes.health.path, 'enrolment')
  const before = await ask()
  if (!before.ok) return before.problem
  await pause(holdMs, signal)
  const after = await ask()
  if (!after.ok) return after.problem
  if (after.value.reused) return undefined
  return problem('CONNECTION_CUT', `It did not live for ${holdMs / 1000} s without traffic.`)
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

/**
 * The request that an agent keeps open. Its first line comes at once; where it does not, something between
 * collects answers before it passes them on. An agent that listens too is ended by this, and comes back.
 */
function listen(asker: Asker, { deviceUrl, holdMs, signal }: StreamOrder): Promise<Problem | undefined> {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const sent = request(new URL(devicePath('notify'), deviceUrl), {
      ...{ agent: asker.deviceAgent, signal, headers: { 'accept-encoding': 'identity' } },
    })
    let hold: NodeJS.Timeout | undefined
    const end = () => {
      clearTimeout(late)
      clearTimeout(hold)
      sent.destroy()
    }
    const give = (fault: Problem | undefined) => {
      resolve(fault)
      end()
    }
    const cut = (why: string) => give(problem('CONNECTION_CUT', why))
    const lived = () => `after ${Math.round((performance.now() - began) / 1000)} s of ${holdMs / 1000}`
    const late = setTimeout(
      () => cut('Its first line did not come: something between collects answers.'),
      checkBounds.hopMs,
    )
    sent.on('error', (error) => {
      if (signal.aborted) {
        reject(signal.reason)
        return end()
      }
      cut(`${error.message}, ${lived()}.`)
    })
    sent.on('response', (response) => {
      let held = Buffer.alloc(0)
      let heard = false
      response.on('data', (part: Buffer) => {
        if (heard) return
        held = Buffer.concat([held, part])
        if (response.statusCode !== 200) {
          if (held.length > noticeBounds.lineBytes * 64) cut('The refusal is too long.')
          return
        }
        const end = held.indexOf(10)
        if (end === -1) {
          if (held.length > noticeBounds.lineBytes) cut('Its first line is too long.')
          return
        }
        if (!DeviceNotice.safeParse(parsed(held.subarray(0, end))).success)
          return cut('Its first line is not of a gateway.')
        heard = true
        clearTimeout(late)
        hold = setTimeout(() => give(undefined), holdMs)
      })
      // A gateway ends a stream in good order when the same device opens another: its agent.
      response.on('end', () =>
        give(response.statusCode === 200 ? undefined : refusalOf({ status: response.statusCode ?? 0, body: held })),
      )
      response.on('close', () => cut(`It broke off ${lived()}.`))
    })
    sent.end()
  })
}
