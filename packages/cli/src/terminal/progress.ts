import { SingleBar } from 'cli-progress'
import type { Output } from './output.ts'
import { formatBytes } from './text.ts'

export interface Progress {
  show(doneBytes: number, totalBytes: number): void
  end(): void
}

/** A bar where a person looks; else a line whenever another tenth is done. Nothing with `--json`. */
export function showProgress(out: Output, what: string): Progress {
  return out.terminal === undefined ? lines(out, what) : bar(out, what)
}

function bar(out: Output, what: string): Progress {
  const line = new SingleBar({
    stream: out.terminal as NodeJS.WritableStream,
    format: `${what}  {bar}  {percentage} %  {done} of {all}`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    // The site tells new figures a few times a second; the bar itself has no reason to draw more often.
    fps: 10,
  })
  let started = false
  return {
    show(doneBytes, totalBytes) {
      if (totalBytes === 0) return // not counted yet
      const figures = { done: formatBytes(doneBytes), all: formatBytes(totalBytes) }
      if (!started) line.start(totalBytes, doneBytes, figures)
      started = true
      line.setTotal(totalBytes)
      line.update(doneBytes, figures)
    },
    end() {
      if (started) line.stop()
    },
  }
}

function lines(out: Output, what: string): Progress {
  let told = -1
  return {
    show(doneBytes, totalBytes) {
      const tenth = Math.floor((doneBytes / totalBytes) * 10)
      if (totalBytes === 0 || tenth <= told) return // not counted yet, or nothing new
      told = tenth
      out.note(`${what}: ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`)
    },
    end() {},
  }
}
