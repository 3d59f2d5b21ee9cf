/** Secrets: what steps need and nobody may read. A value comes from the terminal or standard input, never as a word. */
import type { Command } from 'commander'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { table } from '../terminal/text.ts'

export function addSecretCommands(program: Command, session: Session): void {
  const group = program.command('secrets').description('passwords and keys that steps of a sequence may ask for')

  group
    .command('list', { isDefault: true })
    .description('lists the names; values cannot be read back')
    .action(async (): Promise<void> => {
      const site = await session.site()
      const secrets = await site.call('secrets')
      session.out.result(secrets, () =>
        table(
          ['NAME', 'CHANGED', 'REVEALS', 'LAST REVEALED'],
          secrets.map((one) => [one.name, one.changedAt, one.reveals, one.lastRevealedAt ?? 'never']),
        ),
      )
    })

  group
    .command('set')
    .description('makes or replaces a secret; asks for the value, or takes it from standard input')
    .argument('<name>', 'as sequences name it')
    .action(async (name: string): Promise<void> => {
      const value = await secretValue(session, name)
      const site = await session.site()
      const set = await site.call('setSecret', { id: name, body: { value } })
      session.out.result(set, () => [`The secret ${set.name} is set. Sequences that name it get the new value.`])
    })

  group
    .command('delete')
    .description('deletes a secret; steps that name it fail from now on')
    .argument('<name>')
    .action(async (name: string): Promise<void> => {
      const site = await session.site()
      await site.call('deleteSecret', { id: name })
      session.out.result({ deleted: name }, () => [`Deleted the secret ${name}.`])
    })
}

/** Asks twice at a terminal, else takes standard input; at most `longest` characters. */
export async function secretValue(
  { askSecret, input, signal }: Session,
  name: string,
  longest = 8_000,
): Promise<string> {
  const typed = await (async () => {
    if (askSecret === undefined) return (await input()).replace(/\r?\n$/, '')
    const first = await askSecret(`Value of ${name}: `, signal)
    if ((await askSecret('Once more: ', signal)) !== first) failLocally('These were two different values.')
    return first
  })()
  if (typed === '' || typed.length > longest) failLocally(`It has 1 to ${longest.toLocaleString('en-US')} characters.`)
  return typed
}
