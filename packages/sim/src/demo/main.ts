/** The demo as a program: what `npm start` and `npm run demo:debian` do. */
import { once } from 'node:events'
import { ProblemError } from '@sluice/protocol'
import { PartFailed } from '../child-process.ts'
import { softwareCenterUrl } from '../device/software-center.ts'
import { linePorts } from '../ports.ts'
import { type Demo, startDemo } from './demo.ts'
import { openDemoFolder, portsOf } from './demo-folder.ts'
import { type DemoOptions, help, readOptions } from './options.ts'
import { createProgressView } from './progress-view.ts'
import { reportText } from './report-view.ts'
import { gatewayPackBytes, runOnce } from './run-once.ts'
import type { DemoSystem } from './system.ts'

const say = (line: string) => process.stderr.write(`${line}\n`)

/**
 * @param words after the program's name
 * @param defaults for what the words do not say
 * @param system makes what is upgraded, or says why it cannot be done here
 * @returns the exit code
 */
export async function demoMain(
  words: string[],
  defaults: { folder: (once: boolean) => string; alwaysOnce: boolean; neededBytes: number },
  system: () => Promise<DemoSystem | string>,
): Promise<number> {
  const resources = new AsyncDisposableStack()
  const interrupted = once(process, 'SIGINT').then(() => 'interrupted' as const)
  const ended = once(process, 'SIGTERM').then(() => 'interrupted' as const)
  try {
    const options = readOptions(defaults.alwaysOnce ? ['--once', ...words] : words, defaults.folder)
    if (options === 'help') {
      process.stdout.write(help)
      return 0
    }
    const chosen = await system()
    if (typeof chosen === 'string') {
      say(`This demo cannot run here: ${chosen}.`)
      return 1
    }
    const work = bringUp(options, defaults.neededBytes, chosen, resources).then((demo) =>
      options.once ? report(demo, options) : wait(demo),
    )
    const result = await Promise.race([work, interrupted, ended])
    if (result !== 'interrupted') return result
    say('\nending …')
    // Whatever is still being brought up fails when its parts go; that is no news.
    work.catch(() => {})
    return options.once ? 130 : 0
  } catch (error) {
    say(explain(error))
    return 1
  } finally {
    await resources.disposeAsync()
  }
}

async function bringUp(
  options: DemoOptions,
  neededBytes: number,
  system: DemoSystem,
  resources: AsyncDisposableStack,
): Promise<Demo> {
  // Ports first: nothing of an earlier demo is touched when this one cannot begin.
  const ports = await linePorts((options.once ? undefined : await portsOf(options.folder)) ?? options.basePort)
  const folder = await openDemoFolder(options.folder, { fresh: options.once, neededBytes })
  return startDemo({ folder, ports, system, resources, log: say })
}

async function report(demo: Demo, options: DemoOptions): Promise<number> {
  const view = createProgressView(process.stderr)
  const closing = await runOnce(demo, view)
  const served = await gatewayPackBytes(demo)
  say(reportText(closing, served))
  if (options.json) process.stdout.write(`${JSON.stringify({ ...closing, gatewayPackBytes: served })}\n`)
  return closing.result === 'success' ? 0 : 1
}

/** Says where everything is; it goes on until somebody ends it. */
async function wait(demo: Demo): Promise<never> {
  const { ports } = demo.line
  process.stdout.write(
    [
      '',
      'Everything is up. Ctrl-C ends it; the next start goes on from here.',
      '',
      `  Software Center   ${await softwareCenterUrl(demo.device.stateFolder)}`,
      '                    (the link carries the session of the device’s user)',
      `  Admin API         https://127.0.0.1:${ports.admin}/admin/v1/`,
      `                    npx sluice --connection ${demo.line.connectionFile} status --watch`,
      '',
      '',
    ].join('\n'),
  )
  return new Promise(() => {})
}

/** What went wrong, for the person at the terminal. */
function explain(error: unknown): string {
  if (error instanceof ProblemError) {
    const { title, detail, code, errors = [] } = error.problem
    const places = errors.map((fault) => `\n  ${fault.path}: ${fault.message}`).join('')
    return `${title} (${code}): ${detail}${places}`
  }
  if (error instanceof PartFailed) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
