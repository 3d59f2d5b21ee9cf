/**
 * A device and its site for tests of whole runs: a test site that signs and serves, and the real agent,
 * in this process or in one of its own that can be killed. Restarts of the machine are new boots by
 * `bootFile`.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createPublicKey, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type DeploymentSettings, EnrolmentRequest, type RunId, type RunReport, type Sequence } from '@sluice/protocol'
import { createTestContents, type TestContents, type TestFile } from '../../download/testing/test-contents.ts'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { startTestSite, type TestSite } from '../../testing/test-site.ts'
import { until } from '../../testing/until.ts'

export interface RunLine {
  folder: string
  site: TestSite
  contents: TestContents
  /** Where steps leave their traces. */
  effects: string
  /** What steps appended to `effects`, line by line. */
  happened(): string[]
  /** Starts the agent as a process. */
  boot(): ChildProcess
  /** Starts the agent again and again until the run has ended; `between` may kill it. */
  runToEnd(kill?: (agent: ChildProcess) => Promise<void>): Promise<RunReport>
  /** The id of the run, once it has begun. */
  begun(): Promise<RunId>
  report(): RunReport | undefined
  /** `smsts.log` of the device. */
  log(): string
  /** What the agent said of itself, over all its starts. */
  agentLog(): string
  /** Steps that are held go on. */
  letGo(): void
}

const AGENT = fileURLToPath(new URL('./agent-child.ts', import.meta.url))
/** The agent's exit code when a run wants a restart. */
const RESTART = 94

export async function startRunLine(
  t: TestContext,
  packages: Record<string, Record<string, TestFile>>,
  /** `held`, as `then` of an effect: the step ends when the test lets it go, however slow the machine is. */
  steps: (effect: (text: string, then?: string) => string, held: string) => Sequence['steps'],
  settings: Partial<DeploymentSettings> = {},
  /** More of the agent's configuration. */
  more: object = {},
  sequence: Partial<Sequence> = {},
): Promise<RunLine> {
  const folder = temporaryFolder(t)
  const site = await startTestSite(t)
  const contents = await createTestContents(join(folder, 'site'))
  contents.serve(site.gateway, () => {
    const enrolment = site.gateway.requests.find(({ route }) => route === 'enrol')
    const x = Buffer.from(EnrolmentRequest.parse(enrolment?.body).sealKey, 'base64').toString('base64url')
    return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' })
  })
  const effects = join(folder, 'effects')
  const effect = (text: string, then = 'true') => `sh -c "echo ${text} >> ${effects}; ${then}"`
  const goOn = join(folder, 'go-on')
  const held = `until [ -e ${goOn} ]; do sleep 0.05; done`
  // Required and overdue: it starts by itself with the first policy.
  const deployment = site.deploy(
    { purpose: 'required', deadlineAt: '2020-01-01T00:00:00Z', ...settings },
    { ...sequence, steps: steps(effect, held) },
  )
  for (const [id, files] of Object.entries(packages)) {
    const { policy, root } = await contents.add(id, files)
    site.release(policy.manifest.target, root)
    deployment.packages.push(policy)
  }

  const device = join(folder, 'device')
  const osRoot = join(folder, 'root')
  mkdirSync(join(osRoot, 'etc'), { recursive: true })
  mkdirSync(device)
  writeFileSync(join(osRoot, 'etc/os-release'), 'PRETTY_NAME="Demo 1"\nID=demo\nVERSION_ID=1\n')
  writeFileSync(join(folder, 'bundle.json'), JSON.stringify(site.bundle))
  const configuration = join(folder, 'agent.json')
  const bootFile = join(folder, 'boot')
  writeFileSync(
    configuration,
    JSON.stringify({
      stateFolder: device,
      osRoot,
      enrolmentBundle: join(folder, 'bundle.json'),
      consoleFolder: folder,
      restart: { kind: 'exit', code: RESTART },
      bootFile,
      ...more,
    }),
  )
  writeFileSync(bootFile, randomUUID())
  const agentLogPath = join(folder, 'agent.log')
  const agentLog = openSync(agentLogPath, 'a')
  const running = new Set<ChildProcess>()
  t.after(() => {
    for (const agent of running) agent.kill('SIGKILL')
  })

  const report = () => {
    const last = site.messages.find(({ event }) => event.kind === 'runFinished')?.event
    return last?.kind === 'runFinished' ? last.report : undefined
  }
  const line: RunLine = {
    folder,
    site,
    contents,
    effects,
    happened: () => (existsSync(effects) ? readFileSync(effects, 'utf8').split('\n').filter(Boolean) : []),
    boot() {
      const agent = spawn(process.execPath, [AGENT, '--config', configuration], {
        stdio: ['ignore', 'ignore', agentLog],
      })
      running.add(agent)
      agent.once('exit', () => running.delete(agent))
      return agent
    },
    async runToEnd(kill = async () => {}) {
      // More starts than any test kills or restarts: an agent that cannot start must not be started for ever.
      for (let boots = 0; boots < 100; boots++) {
        const agent = line.boot()
        const ended = once(agent, 'exit') as Promise<[number | null]>
        const finished = until('the run has ended', () => report() !== undefined || agent.exitCode !== null, 300_000)
        void kill(agent)
        await Promise.race([ended, finished])
        const done = report()
        if (done !== undefined) {
          agent.kill('SIGTERM')
          await ended
          return done
        }
        const [code] = await ended
        if (code === RESTART) writeFileSync(bootFile, randomUUID())
      }
      throw new Error(`the run has not ended after 100 starts of the agent:\n${line.agentLog().slice(-4000)}`)
    },
    async begun() {
      const runOf = () => {
        const event = site.messages.find((message) => message.event.kind === 'runStarted')?.event
        return event?.kind === 'runStarted' ? event.runId : undefined
      }
      await until('the run has begun', () => runOf() !== undefined)
      const runId = runOf()
      if (runId === undefined) throw new Error('messages are never forgotten')
      return runId
    },
    report,
    log: () => readFileSync(join(device, 'logs/smsts.log'), 'utf8'),
    agentLog: () => readFileSync(agentLogPath, 'utf8'),
    letGo: () => writeFileSync(goOn, ''),
  }
  return line
}
