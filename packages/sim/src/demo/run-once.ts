/** The click on *Install*, and everything until the run's report is there. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { RunReport } from '@sluice/protocol'
import { must } from '../administrator.ts'
import type { Demo } from './demo.ts'
import type { ProgressView } from './progress-view.ts'

/** Starts the deployment as Software Center does, and follows it to the end, over every restart. */
export async function runOnce(demo: Demo, view: ProgressView): Promise<RunReport> {
  const { runId } = must(await demo.device.softwareCenter.install(demo.deploymentId))
  try {
    for (;;) {
      const state = await demo.device.softwareCenter.state()
      const item = state?.items.find((one) => one.deploymentId === demo.deploymentId)
      if (state?.run?.runId === runId) view.show(state)
      const ended = state?.run === undefined || state.run.phase === 'finished'
      if (ended && item?.lastReport) return item.lastReport
      await sleep(100)
    }
  } finally {
    view.close()
  }
}

/** Pack bytes that the gateway says it has served, once its figure has settled. */
export async function gatewayPackBytes(demo: Demo): Promise<number> {
  let last = -1
  for (let same = 0; same < 8; ) {
    const gateways = must(await demo.line.admin.call('gateways'))
    const now = gateways.find((one) => one.id === demo.line.gatewayId)?.packBytesServed ?? 0
    same = now === last && now > 0 ? same + 1 : 0
    last = now
    await sleep(500)
  }
  return last
}
