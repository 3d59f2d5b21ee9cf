/** What the commands of `sluice-agent` share: how their words are read, and where they answer. */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'

/** Where a command answers, line by line. */
export interface Output {
  out: (line: string) => void
  error: (line: string) => void
}

/** Exit code of a command that was not asked as it can be asked. */
export const MISUSED = 2

/**
 * Options and other words of a command. Undefined where they are none of its own, or `--help`: that was said, with the usage.
 *
 * @param command.takesWords whether there may be words beside the options
 */
export function readWords<T extends ParseArgsOptionsConfig>(
  args: string[],
  command: { options: T; usage: string; takesWords: boolean },
  error: Output['error'],
): ReturnType<typeof parseArgs<{ options: T; allowPositionals: boolean }>> | undefined {
  const { options, usage, takesWords } = command
  if (args.includes('--help') || args.includes('-h')) {
    error(usage)
    return undefined
  }
  try {
    return parseArgs({ args, options, allowPositionals: takesWords })
  } catch (refused) {
    error(`${refused instanceof Error ? refused.message : refused}\n\n${usage}`)
    return undefined
  }
}
