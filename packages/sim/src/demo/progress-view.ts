/**
 * A run in the terminal: a line for each step, a bar while content comes down. Everything goes to
 * standard error, so that standard output stays free for the report.
 */
import type { CenterState, RunProgress } from '@sluice/protocol'
import { Presets, SingleBar } from 'cli-progress'
import { bytes, duration } from './words.ts'

const marks = { succeeded: '✓', failed: '✗', failedContinued: '!', skipped: '–', unknown: '?' } as const

export interface ProgressView {
  show(state: CenterState): void
  close(): void
}

/** @param out where lines go; a bar is drawn only on a terminal */
export function createProgressView(out: NodeJS.WriteStream): ProgressView {
  let printed = 0
  let said = ''
  let bar: { view: SingleBar; name: string } | undefined

  const say = (text: string) => {
    if (text === said) return
    said = text
    endBar()
    out.write(`${text}\n`)
  }

  const endBar = () => {
    bar?.view.stop()
    bar = undefined
  }

  function download(run: RunProgress): void {
    const { download: current } = run
    if (!current) return
    if (!out.isTTY) {
      say(`  downloading ${current.packageName} (${bytes(current.totalBytes)})`)
      return
    }
    if (bar?.name !== current.packageName) {
      endBar()
      const view = new SingleBar(
        { stream: out, format: '  {bar} {percentage} %  {done} of {all}  {rate}/s  {name}', hideCursor: true },
        Presets.shades_classic,
      )
      view.start(current.totalBytes, 0, { name: '', done: '', all: '', rate: '' })
      bar = { view, name: current.packageName }
    }
    bar.view.setTotal(current.totalBytes)
    bar.view.update(current.doneBytes, {
      name: current.packageName,
      done: bytes(current.doneBytes),
      all: bytes(current.totalBytes),
      rate: bytes(current.bytesPerSecond),
    })
  }

  return {
    show({ run }) {
      if (!run) return
      for (const step of run.finishedSteps.slice(printed))
        say(`  ${marks[step.outcome]} ${step.name} (${duration(step.ms)})`)
      printed = run.finishedSteps.length
      if (run.waiting) return say(`  waiting: ${run.waiting.title.toLowerCase()}: ${run.waiting.detail}`)
      if (run.phase === 'restarting') return say('  ↻ the device restarts')
      if (run.phase === 'running' && run.download) return download(run)
      if (run.phase === 'running' && run.stepName !== '' && run.step > 0)
        say(`Step ${run.step} of ${run.stepCount}: ${run.stepName}`)
    },
    close: endBar,
  }
}
