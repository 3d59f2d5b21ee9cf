/**
 * The agent's own Software Center service, for tests of the page: everything on the wire is real, only
 * what runs on the device is told by the test. States are parsed with the protocol's schemas first, so
 * that no test can tell of a state that cannot be.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CenterState, type DeploymentId, failed, InstallAnswer, ok, type Problem } from '@sluice/protocol'
import type { z } from 'zod'
import { type Center, startCenter } from '../../agent/src/center/center.ts'
import { silentLog } from '../../agent/src/log.ts'
import { createSettings } from '../../agent/src/state/settings.ts'
import { openState } from '../../agent/src/state/state.ts'

export interface CenterService extends AsyncDisposable {
  /** Address of the page with the token, as the agent hands it to the user. */
  readonly url: string
  /** Deployments that were asked for, in order. */
  readonly installs: readonly DeploymentId[]
  /** Clicks on *Pause* (true) and *Resume*, in order. */
  readonly pauses: readonly boolean[]
  readonly policySyncs: number
  /** What every page sees from now on. */
  show(state: z.input<typeof CenterState>): void
  /** What *Install* answers from now on; undefined: it is accepted. */
  refuseInstall(reason: Problem | undefined): void
  /** The agent is gone: connections break, nothing answers. */
  stop(): Promise<void>
  /** The agent is back, with the address and the token that it remembers. */
  start(): Promise<void>
}

/** Serves the built page of `dist` and the given state. */
export async function startCenterService(dist: string, first: z.input<typeof CenterState>): Promise<CenterService> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-center-'))
  const opened = await openState(join(folder, 'state'))
  if (!opened.ok) throw new Error(opened.problem.detail)
  const stateFolder = opened.value.folder
  const settings = createSettings(opened.value)

  let state = CenterState.parse(first)
  let refusal: Problem | undefined
  let policySyncs = 0
  let url = ''
  let center: Center | undefined
  const installs: DeploymentId[] = []
  const pauses: boolean[] = []

  const service: CenterService = {
    get url() {
      return url
    },
    installs,
    pauses,
    get policySyncs() {
      return policySyncs
    },
    show(next) {
      state = CenterState.parse(next)
      center?.changed()
    },
    refuseInstall: (reason) => {
      refusal = reason
    },
    async stop() {
      await center?.stop()
      center = undefined
    },
    async start() {
      const started = await startCenter({
        host: '127.0.0.1',
        port: 0,
        stateFolder,
        pageFolder: dist,
        settings,
        state: async () => state,
        install: async (id) => {
          if (refusal) return failed(refusal)
          installs.push(id)
          return ok(InstallAnswer.parse({ runId: 'run_0000000000' }))
        },
        pause: (_, paused) => {
          if (refusal) return failed(refusal)
          pauses.push(paused)
          return ok(undefined)
        },
        syncPolicy: () => policySyncs++,
        log: silentLog,
        pauseMs: 20,
      })
      if (!started.ok) throw new Error(started.problem.detail)
      center = started.value
      url = JSON.parse(await readFile(join(stateFolder, 'software-center.json'), 'utf8')).url
    },
    async [Symbol.asyncDispose]() {
      await service.stop()
      opened.value.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
  await service.start()
  return service
}
