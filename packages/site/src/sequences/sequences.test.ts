import assert from 'node:assert/strict'
import { ProblemError } from '@sluice/protocol'
import { onEveryDatabase } from '../db/testing.ts'
import { createSiteWorld, internal, internet, makeKeyring } from '../deployments/testing/site-world.ts'

const keyring = await makeKeyring()

onEveryDatabase('a sequence is stored, released under its own bytes, and found by id or name', async (db) => {
  const { importPackage, sequences, sequenceText, catalogue, world } = await createSiteWorld(db, keyring)
  await importPackage('ABC00001')
  const applied = await sequences.apply({ fileName: 'up.json', text: sequenceText('Upgrade', ['ABC00001']) })
  assert.deepEqual(
    { revision: applied.revision, packages: applied.packages, steps: applied.steps, state: applied.state },
    { revision: 1, packages: ['ABC00001'], steps: 2, state: 'released' },
  )
  assert.equal((await catalogue.released(`sequence/${applied.id}/1`))?.sha256, applied.sha256)
  assert.deepEqual(await sequences.find('Upgrade'), applied)
  assert.deepEqual(await sequences.find(applied.id), applied)
  assert.deepEqual(await sequences.list(), [applied])
  assert.equal(world.changes, 1)
})

onEveryDatabase('the same document is the same revision, however it is written', async (db) => {
  const { importPackage, sequences, sequenceText } = await createSiteWorld(db, keyring)
  await importPackage('ABC00001')
  const text = sequenceText('Upgrade', ['ABC00001'])
  const first = await sequences.apply({ fileName: 'up.json', text })
  const spaced = JSON.stringify(JSON.parse(text), null, 4)
  const [again, twice] = await Promise.all([
    sequences.apply({ fileName: 'other.yaml', text: `# the same\n${spaced}` }),
    sequences.apply({ fileName: 'up.json', text }),
  ])
  assert.deepEqual(again, first)
  assert.deepEqual(twice, first)
  const changed = await sequences.apply({ fileName: 'up.json', text: text.replace('Begin', 'Start') })
  assert.equal(changed.id, first.id)
  assert.equal(changed.revision, 2)
  assert.notEqual(changed.sha256, first.sha256)
  const back = await sequences.apply({ fileName: 'up.json', text })
  assert.deepEqual({ revision: back.revision, sha256: back.sha256 }, { revision: 3, sha256: first.sha256 })
  const second = await sequences.document(first.id, 2)
  assert.deepEqual([second.revision, second.newest, second.sha256], [2, 3, changed.sha256])
  assert.equal(second.sequence.steps[0]?.name, 'Start')
  assert.deepEqual((await sequences.document('Upgrade')).sequence.steps[0]?.name, 'Begin')
  await assert.rejects(sequences.document(first.id, 4), /has the revisions 1 to 3/)
})

onEveryDatabase('faults are told with file, line and path, and nothing is stored', async (db) => {
  const { importPackage, sequences, catalogue } = await createSiteWorld(db, keyring)
  await importPackage('ABC00001')
  const before = await db.selectFrom('catalogue_metadata').selectAll().execute()
  const faulty = `format: sluice-sequence/1
name: Upgrade
steps:
  - type: runCommandLine
    name: Go
    commandLine: go
    pakage: ABC00001
    timeoutMinutes: soon
`
  await assert.rejects(sequences.apply({ fileName: 'up.yaml', text: faulty }), (error) => {
    assert.ok(error instanceof ProblemError)
    assert.equal(error.problem.code, 'SEQUENCE_INVALID')
    const faults = error.problem.errors ?? []
    assert.deepEqual(faults.map(({ place, path }) => [place?.file, place?.line, path]).toSorted(), [
      ['up.yaml', 7, 'steps[0].pakage'],
      ['up.yaml', 8, 'steps[0].timeoutMinutes'],
    ])
    return true
  })
  const missing = `format: sluice-sequence/1
name: Upgrade
steps:
  - type: downloadPackageContent
    name: Drivers
    packages: [ABC00001, { chosenBy: "%Model%", candidates: [ABC00001, ABC000FF] }]
`
  await assert.rejects(sequences.apply({ fileName: 'up.yaml', text: missing }), (error) => {
    assert.ok(error instanceof ProblemError)
    assert.equal(error.problem.code, 'SEQUENCE_REFERENCE_MISSING')
    const [fault] = error.problem.errors ?? []
    assert.deepEqual([fault?.place?.line, fault?.path], [6, 'steps[0].packages[1].candidates[1]'])
    assert.match(fault?.message ?? '', /ABC000FF/)
    return true
  })
  assert.deepEqual(await sequences.list(), [])
  assert.deepEqual(await db.selectFrom('catalogue_metadata').selectAll().execute(), before)
  assert.equal(await catalogue.released('sequence/none/1'), undefined)
})

onEveryDatabase(
  'where the site stopped before the release, it is a draft; applying it again releases it',
  async (db) => {
    const { importPackage, sequences, sequenceText } = await createSiteWorld(db, keyring)
    await importPackage('ABC00001')
    const text = sequenceText('Upgrade', ['ABC00001'])
    const { id } = await sequences.apply({ fileName: 'up.json', text })
    await db.deleteFrom('catalogue_targets').where('name', 'like', 'sequence/%').execute()
    assert.equal((await sequences.find(id)).state, 'draft')
    const again = await sequences.apply({ fileName: 'up.json', text })
    assert.deepEqual([again.revision, again.state], [1, 'released'])
  },
)

onEveryDatabase('everything that a sequence references is distributed', async (db) => {
  const { importPackage, sequences, sequenceText } = await createSiteWorld(db, keyring)
  for (const id of ['ABC00001', 'ABC00002', 'ABC00003']) await importPackage(id)
  await sequences.apply({ fileName: 'up.json', text: sequenceText('Upgrade', ['ABC00001', 'ABC00003']) })
  const packages = await sequences.distribute('Upgrade', [internet, internal])
  assert.deepEqual(
    packages.map((one) => [one.id, one.distribution.map(({ pointId }) => pointId)]),
    [
      ['ABC00001', [internet, internal]],
      ['ABC00003', [internet, internal]],
    ],
  )
  await assert.rejects(sequences.distribute('Nothing', [internet]), /NOT_FOUND/)
})

onEveryDatabase('a sequence that runs another is released with its steps in it, and its packages', async (db) => {
  const { importPackage, sequences, sequenceText, catalogue } = await createSiteWorld(db, keyring)
  await importPackage('ABC00001')
  const child = await sequences.apply({ fileName: 'child.json', text: sequenceText('Child', ['ABC00001']) })
  const text = (id: string) =>
    JSON.stringify({
      ...{ format: 'sluice-sequence/1', name: 'Parent' },
      steps: [{ type: 'runTaskSequence', name: 'Run it', sequence: id }],
    })
  const parent = await sequences.apply({ fileName: 'parent.json', text: text(child.id) })
  assert.deepEqual([parent.packages, parent.steps, parent.state], [['ABC00001'], child.steps, 'released'])
  assert.equal((await catalogue.released(`sequence/${parent.id}/1`))?.sha256, parent.sha256)
  const again = await sequences.apply({ fileName: 'parent.json', text: text(child.id) })
  assert.equal(again.revision, 1)
  for (const [file, id, code] of [
    ['parent.json', 'seq_0000000000', 'SEQUENCE_REFERENCE_MISSING'],
    ['parent.json', parent.id, 'SEQUENCE_INVALID'],
  ] as const)
    await assert.rejects(sequences.apply({ fileName: file, text: text(id) }), (error) => {
      assert.ok(error instanceof ProblemError)
      assert.equal(error.problem.code, code)
      return true
    })
})

const runs = (name: string, ...ids: string[]): string =>
  JSON.stringify({
    ...{ format: 'sluice-sequence/1', name },
    steps: ids.map((id) => ({ type: 'runTaskSequence', name: `Run ${id}`, sequence: id })),
  })

onEveryDatabase('who runs a changed sequence keeps the old one until it is refreshed, inner ones first', async (db) => {
  const { importPackage, sequences, sequenceText, catalogue } = await createSiteWorld(db, keyring)
  await importPackage('ABC00001')
  const childText = sequenceText('Child', ['ABC00001'])
  const child = await sequences.apply({ fileName: 'child.json', text: childText })
  const middle = await sequences.apply({ fileName: 'middle.json', text: runs('Middle', child.id) })
  const outer = await sequences.apply({ fileName: 'outer.json', text: runs('Outer', middle.id) })
  assert.deepEqual(middle.children, [{ id: child.id, name: 'Child', revision: 1, newest: 1 }])
  const nothing = { refreshed: [], left: [] }
  assert.deepEqual(await sequences.refresh('Outer', 'sequence'), nothing)
  assert.deepEqual(await sequences.refresh('Child', 'parents'), nothing)

  await sequences.apply({ fileName: 'child.json', text: childText.replace('Begin', 'Start') })
  const told = await sequences.find('Outer')
  assert.equal(told.revision, 1, 'nothing changes by itself')
  assert.deepEqual(told.children, [
    { id: middle.id, name: 'Middle', revision: 1, newest: 1 },
    { id: child.id, name: 'Child', revision: 1, newest: 2 },
  ])

  const { refreshed, left } = await sequences.refresh('Child', 'parents')
  assert.deepEqual([refreshed.map(({ name, revision }) => `${name} ${revision}`), left], [['Middle 2', 'Outer 2'], []])
  const document = await sequences.document('Outer')
  assert.match(JSON.stringify(document.sequence.steps), /"name":"Start"/)
  assert.deepEqual(document.applied?.steps, JSON.parse(runs('Outer', middle.id)).steps)
  assert.deepEqual(
    document.children.map(({ name, revision, newest }) => [name, revision, newest]),
    [
      ['Middle', 2, 2],
      ['Child', 2, 2],
    ],
  )
  assert.equal((await catalogue.released(`sequence/${outer.id}/2`))?.sha256, document.sha256)
  assert.match(JSON.stringify((await sequences.document('Outer', 1)).sequence), /"name":"Begin"/)
  assert.deepEqual(await sequences.refresh('Child', 'parents'), nothing)
})

onEveryDatabase(
  'one that cannot be refreshed says why and hinders no other; a change at the same time wins',
  async (db) => {
    const { importPackage, sequences, sequenceText, world } = await createSiteWorld(db, keyring)
    for (const id of ['ABC00001', 'ABC00002']) await importPackage(id)
    const child = await sequences.apply({ fileName: 'child.json', text: sequenceText('Child', ['ABC00001']) })
    await sequences.apply({ fileName: 'a.json', text: runs('A', child.id) })
    const b = await sequences.apply({ fileName: 'b.json', text: runs('B', child.id) })
    await sequences.apply({ fileName: 'c.json', text: runs('C', child.id) })
    await db
      .updateTable('sequence_revisions')
      .set({ applied: null, children: null })
      .where('sequence_id', '=', b.id)
      .execute()
    await sequences.apply({ fileName: 'child.json', text: sequenceText('Child', ['ABC00002']) })

    const changes = world.changes
    const [answer] = await Promise.all([
      sequences.refresh('Child', 'parents'),
      sequences.apply({ fileName: 'a.json', text: runs('A', child.id, child.id) }),
    ])
    assert.deepEqual(
      answer.left.map(({ name, problem }) => [name, problem.code]),
      [['B', 'CONFLICT']],
    )
    assert.equal(answer.refreshed.at(-1)?.name, 'C')
    assert.ok(world.changes > changes)
    const { applied, children } = await sequences.document('A')
    assert.deepEqual([applied?.steps.length, children[0]?.revision], [2, 2], 'what was applied meanwhile is not lost')
    await sequences.apply({ fileName: 'b.json', text: runs('B', child.id) })
    assert.deepEqual(await sequences.refresh('Child', 'parents'), { refreshed: [], left: [] })
    await assert.rejects(sequences.refresh('Nobody', 'parents'), /NOT_FOUND/)
  },
)
