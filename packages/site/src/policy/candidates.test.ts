/** Candidates by labels, as far as the site decides: what is referenced, authorised and refused. */
import assert from 'node:assert/strict'
import { DeploymentSettings, PackageId, type PackageLabels, PolicyBody, ProblemError } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { createPackageLabels, labelsOf } from '../content/package-labels.ts'
import type { Database } from '../db/database.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { createSiteWorld, gateway, internet, makeKeyring } from '../deployments/testing/site-world.ts'

const keyring = await makeKeyring()

/** A released package with its row, at the gateway. */
async function labelled(
  world: Awaited<ReturnType<typeof createSiteWorld>>,
  idText: string,
  labels: PackageLabels,
  version = 1,
): Promise<PackageId> {
  const id = PackageId.parse(idText)
  const info = await world.importPackage(idText)
  const row = { id, name: info.name, kind: info.kind, target: info.target, version, created_at: 0 }
  await world.db
    .insertInto('packages')
    .values({ ...row, package_key: new Uint8Array(32) })
    .execute()
  await createPackageLabels({ db: world.db, onChanged() {} }).set(id, labels)
  world.packages.set(id, { ...info, labels })
  world.install(id, internet)
  return id
}

const text = (labels: PackageLabels) =>
  JSON.stringify({
    format: 'sluice-sequence/1',
    name: 'Drivers',
    inputs: [{ variable: 'Driver' }],
    steps: [
      {
        ...{ type: 'downloadPackageContent', name: 'Fetch', saveAs: 'Drivers' },
        packages: [{ chosenBy: '%Driver%', candidates: { labels } }],
      },
    ],
  })

async function start(db: Kysely<Database>) {
  const world = await createSiteWorld(db, keyring)
  const caller = await world.enrol('dev_traveller00')
  world.gateways.push(gateway('internet'))
  const { id: collection } = await world.collections.create('Travellers')
  await world.collections.setMembers(collection, [caller.deviceId])
  const deploy = () =>
    world.deployments.create({
      ...{ sequence: 'Drivers', collection },
      settings: DeploymentSettings.parse({ allowInternet: true, inputs: { Driver: 'ABC00001' } }),
    })
  const policy = async () => {
    const { body } = await world.poll(caller)
    assert.ok(body)
    const [one] = PolicyBody.parse(JSON.parse(Buffer.from(body.payload, 'base64').toString())).deployments
    assert.ok(one)
    return one
  }
  return { ...world, world, caller, collection, deploy, policy }
}

onEveryDatabase(
  'what has the labels is in policy, entitled to, and distributed; what gets them later, too',
  async (db) => {
    const { world, sequences, deploy, policy, caller, collections } = await start(db)
    await labelled(world, 'ABC00001', { kind: 'driver', model: 'X1' })
    await labelled(world, 'ABC00002', { kind: 'driver', model: 'X2' })
    await labelled(world, 'ABC00003', { kind: 'driver', model: 'x1' }, 0)
    const applied = await sequences.apply({ fileName: 'd.json', text: text({ kind: 'driver', model: 'X1' }) })
    assert.deepEqual(applied.packages, ['ABC00001'], 'a package without a released version is none')
    assert.deepEqual(applied.candidates, [{ kind: 'driver', model: 'X1' }])
    await deploy()
    const first = await policy()
    assert.deepEqual(first.refusals, [])
    assert.deepEqual(
      first.packages.map(({ id, labels }) => [id, labels]),
      [['ABC00001', { kind: 'driver', model: 'X1' }]],
    )

    const later = await labelled(world, 'ABC00004', { kind: 'driver', model: 'X1' })
    const second = await policy()
    assert.deepEqual(
      second.packages.map(({ id }) => id),
      ['ABC00001', 'ABC00004'],
    )
    const entitled = await world.policy.entitledContents(caller.deviceId, 'internet')
    assert.deepEqual(
      [...entitled].sort(),
      [world.packages.get(PackageId.parse('ABC00001')), world.packages.get(later)].map((one) => one?.contentId).sort(),
    )
    assert.deepEqual((await sequences.find('Drivers')).packages, ['ABC00001', 'ABC00004'])
    assert.equal((await collections.list()).length, 1)

    await createPackageLabels({ db, onChanged() {} }).set(later, {})
    assert.equal((await policy()).packages.length, 1)
    assert.deepEqual([...(await labelsOf(db, [later]))], [])
  },
)

onEveryDatabase('a candidate that lies nowhere is missing as any other package is', async (db) => {
  const { world, sequences, deploy, policy, packages } = await start(db)
  const id = await labelled(world, 'ABC00001', { kind: 'driver' })
  await sequences.apply({ fileName: 'd.json', text: text({ kind: 'driver' }) })
  await deploy()
  packages.get(id)?.distribution.pop()
  await createPackageLabels({ db, onChanged() {} }).set(id, { kind: 'driver', ring: 'pilot' })
  assert.deepEqual(
    (await policy()).refusals.map(({ code }) => code),
    ['CONTENT_MISSING_IN_CLOUD'],
  )
})

onEveryDatabase('labels that mean more packages than a run may have refuse the deployment', async (db) => {
  const { world, sequences, deploy, policy } = await start(db)
  await labelled(world, 'ABC00001', { kind: 'driver' })
  const ids = Array.from({ length: 500 }, (_, i) =>
    PackageId.parse(`DRV${i.toString(16).toUpperCase().padStart(5, '0')}`),
  )
  const common = { name: 'D', kind: 'driver', target: 'any', version: 1, created_at: 0 } as const
  await db
    .insertInto('packages')
    .values(ids.map((id) => ({ ...common, id, package_key: new Uint8Array(32) })))
    .execute()
  await db
    .insertInto('package_labels')
    .values(ids.map((package_id) => ({ package_id, name: 'kind', value: 'driver' })))
    .execute()
  await sequences.apply({ fileName: 'd.json', text: text({ kind: 'driver' }) })
  await deploy()
  const { refusals, packages } = await policy()
  assert.deepEqual(
    [refusals[0]?.code, refusals[0]?.detail],
    ['TOO_MANY_CANDIDATES', '501 packages; a sequence may have 500.'],
  )
  assert.deepEqual(packages, [])
})

onEveryDatabase('labels are for packages that are there', async (db) => {
  const labels = createPackageLabels({ db, onChanged() {} })
  await assert.rejects(
    labels.set(PackageId.parse('ABC00009'), { kind: 'driver' }),
    (error) => error instanceof ProblemError && error.problem.code === 'NOT_FOUND',
  )
})
