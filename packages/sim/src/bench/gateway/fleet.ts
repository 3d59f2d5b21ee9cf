/** A fleet of lean devices, spread over processes because a process has only so many open files. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface EnrolOrder {
  /** Which process it is: devices of each have addresses of their own. */
  group: number
  count: number
  /** PEM. */
  authority: string
  token: string
  enrolmentPort: number
  devicePort: number
}
export interface PollOrder {
  /** Devices that ask at once. */
  asking: number
  warmMs: number
  measureMs: number
}
export type FleetOrder =
  | ({ kind: 'enrol' } & EnrolOrder)
  | { kind: 'listen'; betweenMs: number }
  | { kind: 'listening' }
  | ({ kind: 'poll' } & PollOrder)
  | { kind: 'report'; everyMs: number }
  | { kind: 'acknowledged' }

export interface PollFigures {
  /** All of them, those while it got warm too. */
  answers: number
  /** Processor time that the devices themselves took, in milliseconds. */
  cpuMs: number
  perSecond: number
  medianMs: number
  p99Ms: number
  /** Answers with another status than 200. */
  failures: number
}
export interface Acknowledged {
  deviceId: string
  bootId: string
  /** The messages 1 to this one were acknowledged. */
  acknowledged: number
}

export interface Fleet {
  /** Enrols so many devices; gives their ids. */
  enrol(count: number, door: Omit<EnrolOrder, 'group' | 'count'>): Promise<string[]>
  /** All begin to listen for notices, and come back whenever they lose the gateway. */
  listen(betweenMs: number): Promise<void>
  listening(): Promise<number>
  /** Of the first process alone. */
  poll(order: PollOrder): Promise<PollFigures>
  /** All send status messages, one after the other, until `acknowledged` is asked for. */
  report(everyMs: number): Promise<void>
  acknowledged(): Promise<Acknowledged[]>
}

const script = fileURLToPath(new URL('./fleet-child.ts', import.meta.url))

/** @param processes among which the devices are shared out */
export function startFleet(processes: number, resources: AsyncDisposableStack): Fleet {
  const tellers = Array.from({ length: processes }, () => startTeller(resources))
  const all = <T>(order: (group: number) => FleetOrder) =>
    Promise.all(tellers.map((tell, group) => tell(order(group)) as Promise<T>))
  return {
    async enrol(count, door) {
      const share = Math.ceil(count / processes)
      const ids = await all<string[]>((group) => ({
        kind: 'enrol',
        group,
        count: Math.min(share, count - group * share),
        ...door,
      }))
      return ids.flat()
    },
    listen: async (betweenMs) => void (await all(() => ({ kind: 'listen', betweenMs }))),
    listening: async () => (await all<number>(() => ({ kind: 'listening' }))).reduce((a, b) => a + b, 0),
    poll: (order) => tellers[0]?.({ kind: 'poll', ...order }) as Promise<PollFigures>,
    report: async (everyMs) => void (await all(() => ({ kind: 'report', everyMs }))),
    acknowledged: async () => (await all<Acknowledged[]>(() => ({ kind: 'acknowledged' }))).flat(),
  }
}

function startTeller(resources: AsyncDisposableStack): (order: FleetOrder) => Promise<unknown> {
  const child = fork(script, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  resources.defer(() => void child.kill('SIGKILL'))
  const waiting = new Map<number, { resolve(value: unknown): void; reject(why: Error): void }>()
  let number = 0
  child.on('message', (said: { number: number; value?: unknown; error?: string }) => {
    const asked = waiting.get(said.number)
    waiting.delete(said.number)
    if (said.error === undefined) asked?.resolve(said.value)
    else asked?.reject(new Error(said.error))
  })
  child.once('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('a process of the fleet ended'))
  })
  return (order) =>
    new Promise((resolve, reject) => {
      number++
      waiting.set(number, { resolve, reject })
      child.send({ number, order })
    })
}
