import type { DistributionPointInfo, PointGroupInfo, PointStorage } from '@sluice/protocol'
import { type Command, Option } from 'commander'
import type { PointNames } from '../connect/site.ts'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { secretFile } from '../terminal/secret-file.ts'
import { fields, formatBytes, table } from '../terminal/text.ts'

interface AzureOptions {
  container: string
  prefix?: string
  account?: string
  keyFile?: string
  sasFile?: string
  readerSasFile?: string
  tenant?: string
  clientId?: string
  clientSecretFile?: string
  readerClientId?: string
  readerClientSecretFile?: string
}

interface S3Options {
  endpoint: string
  region: string
  bucket: string
  addressing: 'path' | 'host'
  prefix?: string
  accessKeyId: string
  secretKeyFile: string
  readerAccessKeyId: string
  readerSecretKeyFile: string
}

export function addDistributionPointCommands(program: Command, session: Session): void {
  const group = program
    .command('distribution-point')
    .description('cloud storage that devices fetch content from, beside the gateways')

  group
    .command('list', { isDefault: true })
    .description('lists all cloud distribution points')
    .action(async (): Promise<void> => {
      const site = await session.site()
      const points = await site.call('distributionPoints')
      session.out.result(points, () =>
        table(
          ['ID', 'KIND', 'SERVICE', 'PACKAGES', 'OBJECTS', 'SIZE', 'ADDRESS', 'NAME'],
          points.map((one) => [
            one.id,
            one.kind,
            one.service,
            `${one.installed} of ${one.packages}`,
            one.objectCount,
            formatBytes(one.objectBytes),
            one.address,
            one.name,
          ]),
        ),
      )
    })

  storageCommands(group.command('add').description('makes a cloud distribution point; secrets are read from files'), {
    argument: '<name>',
    use: (name, storage) => addPoint(session, name, storage),
  })
  storageCommands(
    group
      .command('rotate')
      .description(
        'gives a cloud distribution point other credentials, after they were tried; the place stays the same',
      ),
    { argument: '<point>', use: (wanted, storage) => rotate(session, wanted, storage) },
  )
  group
    .command('remove')
    .description('forgets a cloud distribution point that holds nothing; the storage itself stays')
    .argument('<point>', 'name or id')
    .action(async (wanted: string): Promise<void> => {
      const site = await session.site()
      const { id, name } = await site.cloudPoint(wanted)
      await site.call('deleteDistributionPoint', { id })
      session.out.result({ id }, () => [`Removed ${name}.`])
    })

  addGroupCommands(group, session)
}

/** `azure` and `s3`, with everything that says where storage is and how it is opened. */
function storageCommands(
  parent: Command,
  { argument, use }: { argument: string; use: (name: string, storage: PointStorage) => Promise<void> },
): void {
  parent
    .command('azure')
    .description('a container of Azure Blob Storage')
    .argument(argument)
    .requiredOption('--container <url>', 'as in https://account.blob.core.windows.net/container')
    .option('--prefix <text>', 'before every name in the container')
    .option('--account <name>', 'storage account, with --key-file')
    .option('--key-file <file>', 'account key')
    .option('--sas-file <file>', 'shared access signature of the container that may write')
    .option('--reader-sas-file <file>', 'shared access signature of the container that may only read')
    .option('--tenant <id>', 'directory of the principals')
    .option('--client-id <id>', 'principal that may write')
    .option('--client-secret-file <file>', 'its secret')
    .option('--reader-client-id <id>', 'principal that may only read: gateways then sign addresses')
    .option('--reader-client-secret-file <file>', 'its secret')
    .action(async (name: string, options: AzureOptions): Promise<void> => {
      await use(name, {
        kind: 'azureBlob',
        containerUrl: options.container,
        prefix: options.prefix ?? '',
        credential: await azureCredential(options),
      })
    })
  parent
    .command('s3')
    .description('a bucket of any storage that speaks S3')
    .argument(argument)
    .requiredOption('--endpoint <url>', 'as in https://s3.eu-central-1.amazonaws.com')
    .requiredOption('--region <name>')
    .requiredOption('--bucket <name>')
    .addOption(
      new Option('--addressing <how>', 'bucket in the path or in the host').choices(['path', 'host']).default('path'),
    )
    .option('--prefix <text>', 'before every name in the bucket')
    .requiredOption('--access-key-id <id>', 'key that may write')
    .requiredOption('--secret-key-file <file>', 'its secret')
    .requiredOption('--reader-access-key-id <id>', 'key that may only get objects: gateways sign with it')
    .requiredOption('--reader-secret-key-file <file>', 'its secret')
    .action(async (name: string, options: S3Options): Promise<void> => {
      const { endpoint, region, bucket, addressing, prefix = '' } = options
      await use(name, {
        ...{ kind: 's3', endpoint, region, bucket, addressing, prefix },
        writer: { accessKeyId: options.accessKeyId, secretAccessKey: await secretFile(options.secretKeyFile) },
        reader: {
          accessKeyId: options.readerAccessKeyId,
          secretAccessKey: await secretFile(options.readerSecretKeyFile),
        },
      })
    })
}

function addGroupCommands(parent: Command, session: Session): void {
  const group = parent.command('group').description('distribution points that get the same packages')

  group
    .command('list', { isDefault: true })
    .description('lists all groups')
    .action(async (): Promise<void> => {
      const site = await session.site()
      const groups = await site.call('pointGroups')
      const names = await site.pointNames()
      session.out.result(groups, () =>
        table(
          ['ID', 'MEMBERS', 'PACKAGES', 'NAME'],
          groups.map((one) => [one.id, membersText(one, names), one.packages.length, one.name]),
        ),
      )
    })

  group
    .command('create')
    .description('makes an empty group')
    .argument('<name>')
    .action(async (name: string): Promise<void> => {
      const site = await session.site()
      await showGroup(session, await site.call('createPointGroup', { body: { name } }))
    })

  group
    .command('set')
    .description('says which points are in a group; new ones get everything that was sent to it')
    .argument('<group>', 'name or id')
    .argument('[points...]', 'names or ids of gateways and cloud distribution points')
    .action(async (wanted: string, points: string[]): Promise<void> => {
      const site = await session.site()
      const { id } = await site.pointGroup(wanted)
      const members = await site.points(points)
      await showGroup(session, await site.call('setPointGroupMembers', { id, body: { members } }))
    })

  group
    .command('delete')
    .description('forgets a group; its members keep what they have')
    .argument('<group>', 'name or id')
    .action(async (wanted: string): Promise<void> => {
      const site = await session.site()
      const { id, name } = await site.pointGroup(wanted)
      await site.call('deletePointGroup', { id })
      session.out.result({ id }, () => [`Deleted ${name}.`])
    })
}

const membersText = ({ members }: PointGroupInfo, names: PointNames): string =>
  members.map((id) => names.get(id) ?? id).join(' ')

async function showGroup(session: Session, group: PointGroupInfo): Promise<void> {
  const names = await (await session.site()).pointNames()
  session.out.result(group, () =>
    fields([
      ['Group', group.id],
      ['Name', group.name],
      ['Members', membersText(group, names)],
      ['Packages', group.packages.join(' ')],
    ]),
  )
}

async function addPoint(session: Session, name: string, storage: PointStorage): Promise<void> {
  const site = await session.site()
  const made = await site.call('createDistributionPoint', { body: { name, storage } })
  session.out.result(made, () => pointFields(made))
}

async function rotate(session: Session, wanted: string, storage: PointStorage): Promise<void> {
  const site = await session.site()
  const { id } = await site.cloudPoint(wanted)
  const point = await site.call('replacePointCredentials', { id, body: { storage } })
  session.out.result(point, () => pointFields(point))
}

const pointFields = (point: DistributionPointInfo): string[] =>
  fields([
    ['Distribution point', point.id],
    ['Name', point.name],
    ['Address', point.address],
    [
      'Service',
      point.service === 'direct' ? 'devices fetch from the storage' : 'gateways that serve content pass the bytes on',
    ],
  ])

type AzureCredential = Extract<PointStorage, { kind: 'azureBlob' }>['credential']

async function azureCredential(options: AzureOptions): Promise<AzureCredential> {
  const { account, keyFile, sasFile, readerSasFile, tenant, clientId, clientSecretFile } = options
  const { readerClientId, readerClientSecretFile } = options
  if (account !== undefined && keyFile !== undefined)
    return { kind: 'sharedKey', account, key: await secretFile(keyFile) }
  if (sasFile !== undefined && readerSasFile !== undefined)
    return { kind: 'sas', token: await secretFile(sasFile), readerToken: await secretFile(readerSasFile) }
  if (tenant === undefined || clientId === undefined || clientSecretFile === undefined)
    return failLocally(
      'Give --account and --key-file, or --sas-file and --reader-sas-file, or --tenant, --client-id and --client-secret-file.',
    )
  const reader =
    readerClientId === undefined || readerClientSecretFile === undefined
      ? {}
      : {
          reader: {
            tenantId: tenant,
            clientId: readerClientId,
            clientSecret: await secretFile(readerClientSecretFile),
          },
        }
  const clientSecret = await secretFile(clientSecretFile)
  return { kind: 'token', tenantId: tenant, clientId, clientSecret, ...reader } as AzureCredential
}
