/**
 * What a step prints. The step writes into files, not into pipes: it outlives its runner without a
 * broken pipe, and a service that it starts does not hold the runner up. The runner follows the
 * files into the log, keeps the end of standard output, and empties a file that grows too large.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, rmSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'

/** Output to task sequence variable: the last 1,000 characters (configmgr-behaviour §3.5 and §4). */
export const OUTPUT_TAIL_CHARACTERS = 1000

/** A file of this size is emptied once it is read; the step goes on writing at its new end. Also what is read at once. */
const FILE_LIMIT_BYTES = 4 * 1024 * 1024
/** A file of this size is emptied, read or not. */
const DISK_LIMIT_BYTES = 64 * 1024 * 1024
/** What one stream of a step may put into the log, and what a record there takes beside its text. */
const LOG_LIMIT_BYTES = 4 * 1024 * 1024
const RECORD_BYTES = 160
/** A longer line is logged in pieces. */
const LINE_LIMIT_CHARACTERS = 8000
const READ_BYTES = 64 * 1024

export interface StepOutput {
  /** For the step's standard output or error. */
  fd: number
  /** Reads what is new. */
  follow(): void
  /** Reads the rest, removes the file, and returns the last characters. */
  end(): string
}

/**
 * @param path file for one stream of one attempt
 * @param onLines takes the lines, without their line breaks, as long as the log may grow
 */
export function createStepOutput(path: string, onLines: (lines: string[]) => void): StepOutput {
  const { O_APPEND, O_CREAT, O_EXCL, O_RDWR, O_NOFOLLOW } = constants
  rmSync(path, { force: true })
  const fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | (O_NOFOLLOW ?? 0), 0o600)
  const decoder = new StringDecoder('utf8')
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  let position = 0
  let logged = 0
  let tail = ''
  let line = ''

  const log = (lines: string[]) => {
    if (logged > LOG_LIMIT_BYTES || lines.length === 0) return
    for (const text of lines) logged += text.length + RECORD_BYTES
    onLines(logged > LOG_LIMIT_BYTES ? ['The step prints more than the log takes: the rest is left out.'] : lines)
  }
  const take = (text: string) => {
    tail = (tail + text).slice(-OUTPUT_TAIL_CHARACTERS)
    const lines = (line + text).split(/\r?\n/)
    line = lines.pop() ?? ''
    for (; line.length > LINE_LIMIT_CHARACTERS; line = line.slice(LINE_LIMIT_CHARACTERS))
      lines.push(line.slice(0, LINE_LIMIT_CHARACTERS))
    log(lines)
  }
  /** Reads to the end; of more than is read at once, only the end. */
  const read = () => {
    const end = fstatSync(fd).size
    position = Math.max(position, end - FILE_LIMIT_BYTES)
    while (position < end) {
      const count = readSync(fd, buffer, 0, Math.min(buffer.length, end - position), position)
      if (count === 0) break
      position += count
      take(decoder.write(buffer.subarray(0, count)))
    }
  }
  const follow = () => {
    read()
    const { size } = fstatSync(fd)
    if (size < FILE_LIMIT_BYTES || (size > position && size < DISK_LIMIT_BYTES)) return
    ftruncateSync(fd, 0)
    position = 0
  }
  return {
    fd,
    follow,
    end() {
      read()
      take(decoder.end())
      if (line !== '') log([line])
      closeSync(fd)
      rmSync(path, { force: true })
      return tail
    },
  }
}
