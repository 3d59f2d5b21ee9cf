import type { CollectionInfo } from '@sluice/protocol'
import type { Command } from 'commander'
import type { Session } from '../run.ts'
import { fields, table } from '../terminal/text.ts'
import { addCollectionVariables } from './variables.ts'

export function addCollectionCommands(program: Command, session: Session): void {
  const group = program.command('collection').description('groups of devices')

  group
    .command('create')
    .description('makes an empty collection')
    .argument('<name>')
    .action(async (name: string): Promise<void> => {
      const site = await session.site()
      showCollection(session, await site.call('createCollection', { body: { name } }))
    })

  group
    .command('list')
    .description('lists all collections')
    .action(async (): Promise<void> => {
      const site = await session.site()
      const collections = await site.call('collections')
      session.out.result(collections, () =>
        table(
          ['ID', 'MEMBERS', 'NAME'],
          collections.map((one) => [one.id, one.members.length, one.name]),
        ),
      )
    })

  group
    .command('set-members')
    .description('makes exactly these devices the members of a collection')
    .argument('<collection>', 'name or id')
    .argument('[devices...]', 'host names or ids')
    .action((wanted: string, devices: string[]) => setMembers(wanted, devices, false))

  group
    .command('add')
    .description('adds devices to a collection')
    .argument('<collection>', 'name or id')
    .argument('<devices...>', 'host names or ids')
    .action((wanted: string, devices: string[]) => setMembers(wanted, devices, true))

  addCollectionVariables(group, session)

  async function setMembers(wanted: string, devices: string[], keep: boolean): Promise<void> {
    const site = await session.site()
    const { id, members } = await site.collection(wanted)
    const named = (await site.devices(devices)).map((device) => device.id)
    const all = [...new Set([...(keep ? members : []), ...named])]
    showCollection(session, await site.call('setCollectionMembers', { id, body: { members: all } }))
  }
}

const showCollection = (session: Session, one: CollectionInfo): void =>
  session.out.result(one, () =>
    fields([
      ['Collection', one.id],
      ['Name', one.name],
      ['Members', one.members.length],
    ]),
  )
