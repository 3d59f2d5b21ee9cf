import type { Command } from 'commander'

/** `--keys` and what opens them, for a command that signs. */
export function addKeysOptions(command: Command): Command {
  return command
    .requiredOption('--keys <folder>', 'folder with the keys, made by `sluice keys init`')
    .option('--passphrase-file <file>', 'file with the passphrase (default: it is asked for)')
    .option('--yes', 'do not ask')
}
