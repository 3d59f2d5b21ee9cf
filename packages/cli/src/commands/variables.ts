/** Task sequence variables of collections and of single devices. A masked value is typed or comes from standard input. */
import type { CollectionVariables, DeviceId, DeviceVariables, VariableInfo } from '@sluice/protocol'
import type { Command } from 'commander'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { wholeNumber } from '../terminal/options.ts'
import { table } from '../terminal/text.ts'
import { secretValue } from './secrets.ts'

const MASK = '********'
/** Characters of the value of a variable. */
const LONGEST = 4_000

export function addCollectionVariables(group: Command, session: Session): void {
  const variable = group
    .command('variable')
    .alias('variables')
    .description('variables that runs on the members of a collection begin with')

  variable
    .command('list', { isDefault: true })
    .description('lists the variables; masked values cannot be read back')
    .argument('<collection>', 'name or id')
    .action(async (wanted: string): Promise<void> => {
      const site = await session.site()
      const { id } = await site.collection(wanted)
      showCollection(session, await site.call('collectionVariables', { id }))
    })

  variable
    .command('set')
    .description('makes or replaces a variable')
    .argument('<collection>', 'name or id')
    .argument('<name>')
    .argument('[value]', 'not with --masked')
    .option('--masked', 'do not display this value: it is asked for, or comes from standard input')
    .action(async (wanted: string, name: string, value: string | undefined, options: Masked): Promise<void> => {
      const body = await variableOf(session, name, value, options)
      const site = await session.site()
      const { id } = await site.collection(wanted)
      showCollection(session, await site.call('setCollectionVariable', { id, body }))
    })

  variable
    .command('remove')
    .description('removes a variable')
    .argument('<collection>', 'name or id')
    .argument('<name>')
    .action(async (wanted: string, name: string): Promise<void> => {
      const site = await session.site()
      const { id } = await site.collection(wanted)
      showCollection(session, await site.call('removeCollectionVariable', { id, body: { name } }))
    })

  variable
    .command('priority')
    .description('which collection counts where several set the same variable: the one with the highest priority')
    .argument('<collection>', 'name or id')
    .argument('<priority>', '1 (lowest) to 9', wholeNumber(1, 9))
    .action(async (wanted: string, priority: number): Promise<void> => {
      const site = await session.site()
      const { id } = await site.collection(wanted)
      showCollection(session, await site.call('setVariablePriority', { id, body: { priority } }))
    })
}

export function addDeviceVariables(group: Command, session: Session): void {
  const variable = group
    .command('variable')
    .alias('variables')
    .description('variables that runs on this device begin with; they count before those of its collections')
  const deviceId = async (wanted: string): Promise<DeviceId> => {
    const [device] = await (await session.site()).devices([wanted])
    return device?.id ?? failLocally(`There is no device ${wanted}.`)
  }

  variable
    .command('list', { isDefault: true })
    .description('lists what runs on this device begin with, and who gives it; masked values cannot be read back')
    .argument('<device>', 'host name or id')
    .action(async (wanted: string): Promise<void> => {
      const id = await deviceId(wanted)
      showDevice(session, await (await session.site()).call('deviceVariables', { id }))
    })

  variable
    .command('set')
    .description('makes or replaces a variable of this device')
    .argument('<device>', 'host name or id')
    .argument('<name>')
    .argument('[value]', 'not with --masked')
    .option('--masked', 'do not display this value: it is asked for, or comes from standard input')
    .action(async (wanted: string, name: string, value: string | undefined, options: Masked): Promise<void> => {
      const body = await variableOf(session, name, value, options)
      const id = await deviceId(wanted)
      showDevice(session, await (await session.site()).call('setDeviceVariable', { id, body }))
    })

  variable
    .command('remove')
    .description('removes a variable of this device; one of a collection counts again')
    .argument('<device>', 'host name or id')
    .argument('<name>')
    .action(async (wanted: string, name: string): Promise<void> => {
      const id = await deviceId(wanted)
      showDevice(session, await (await session.site()).call('removeDeviceVariable', { id, body: { name } }))
    })
}

interface Masked {
  masked?: true
}

async function variableOf(session: Session, name: string, value: string | undefined, { masked }: Masked) {
  if (masked && value !== undefined)
    failLocally('A masked value is no word of the command, where others could read it. Leave it out and type it.')
  if (!masked && value === undefined) failLocally('Give the value, or --masked to type it.')
  return { name, value: value ?? (await secretValue(session, name, LONGEST)), masked: masked === true }
}

const shownValue = ({ value }: Pick<VariableInfo, 'value'>): string => value ?? MASK

const showCollection = (session: Session, one: CollectionVariables): void =>
  session.out.result(one, () => [
    ...table(
      ['NAME', 'VALUE', 'CHANGED'],
      one.variables.map((variable) => [variable.name, shownValue(variable), variable.changedAt]),
    ),
    `Priority among collections: ${one.priority} (1 to 9, the highest counts)`,
  ])

const showDevice = (session: Session, one: DeviceVariables): void =>
  session.out.result(one, () =>
    table(
      ['NAME', 'VALUE', 'FROM', 'CHANGED'],
      one.effective.map((variable) => [
        variable.name,
        shownValue(variable),
        variable.from === 'device' ? 'this device' : variable.from,
        variable.changedAt,
      ]),
    ),
  )
