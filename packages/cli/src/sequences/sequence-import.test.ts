import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type CommandResult, sluice } from '../testing/command.ts'
import { zip } from '../testing/zip.ts'

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sluice-import-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}
async function file(t: TestContext, name: string, content: string | Buffer): Promise<string> {
  const path = join(await folder(t), name)
  await writeFile(path, content)
  return path
}

const step = (name: string, command = 'smsswd.exe /run: cmd.exe /c ver'): string =>
  `<step type="SMS_TaskSequence_RunCommandLineAction" name="${name}" description="" successCodeList="0 3010"><action>${command}</action></step>`
const fragment = `<sequence version="3.10">\n<group name="G" description="">${step('Prüfung', 'smsswd.exe /run:ABC00001 x')}</group></sequence>`
const instance = (id: string, name: string, sequence = fragment): string =>
  `<INSTANCE CLASSNAME="SMS_TaskSequencePackage"><PROPERTY NAME="Name"><VALUE>${name}</VALUE></PROPERTY><PROPERTY NAME="PackageID"><VALUE>${id}</VALUE></PROPERTY><PROPERTY NAME="Sequence"><VALUE><![CDATA[${sequence}]]></VALUE></PROPERTY></INSTANCE>`
const escaped = (text: string): string => text.replaceAll('<', '&lt;').replaceAll('>', '&gt;')
const references = `\ufeff<ArrayOfString><string>${escaped('<INSTANCE><PROPERTY NAME="ReferencePackageID"><VALUE>ABC00001</VALUE></PROPERTY><PROPERTY NAME="ReferenceName"><VALUE>Tools</VALUE></PROPERTY></INSTANCE>')}</string></ArrayOfString>`
const exported = (id: string, name: string): Buffer =>
  zip([
    { name: '[Content_Types].xml', content: Buffer.from('<Types/>'), stored: true },
    { name: `SMS_TaskSequencePackage/${id}/object.xml`, content: Buffer.from(instance(id, name)) },
    { name: `SMS_TaskSequencePackage/${id}/ReferencesInfo.xml`, content: Buffer.from(references) },
  ])

interface Told {
  sequences: Record<string, unknown>[]
  coverage: { content: { id: string; name?: string; state: string }[] } & Record<string, unknown>
  problems: {
    kind: string
    severity: string
    place?: { file: string; line: number; column: number }
    message: string
  }[]
  files?: string[]
}
const json = (result: CommandResult): Told => JSON.parse(result.stdout.trimEnd().split('\n').at(-1) ?? '') as Told

test('a dry run tells sequences, coverage and problems on one line of JSON, and needs no site', async (t) => {
  const result = await sluice(['sequence', 'import', await file(t, 'Test.xml', fragment), '--dry-run', '--json'])
  assert.equal(result.code, 0)
  const { sequences, coverage, problems } = json(result)
  assert.deepEqual(sequences, [
    {
      name: 'Test',
      steps: 1,
      groups: 1,
      subSequences: 0,
      conditions: 0,
      expressions: 0,
      variables: 0,
      instructions: ['G', 'Prüfung', 'G'],
      runnable: true,
      obstacles: [],
    },
  ])
  assert.equal(coverage.runsOnWindows, 1)
  assert.deepEqual(
    problems.map(({ kind }) => kind),
    ['missingContent'],
  )
})

test('people read a report', async (t) => {
  const path = await file(
    t,
    'Test.xml',
    fragment.replace(
      '</group>',
      '</group><step type="SMS_TaskSequence_PartitionDiskAction" name="Wipe"><action/></step>',
    ),
  )
  const { stdout } = await sluice(['sequence', 'import', path, '--dry-run'])
  assert.match(stdout, /^Test\n {2}2 steps, .*\n {2}Devices refuse it as it is/)
  assert.match(stdout, / 1 +Format and Partition Disk +Format and Partition Disk exists in Windows PE only\n/)
  assert.match(stdout, /ABC00001 +missing\n/)
})

test('an export: the sequence, its name, and what its references are called; also inside another archive', async (t) => {
  for (const content of [
    exported('ABC00009', 'Upgrade'),
    zip([{ name: 'v1/Upgrade.zip', content: exported('ABC00009', 'Upgrade') }]),
  ]) {
    const { sequences, coverage } = json(
      await sluice(['sequence', 'import', await file(t, 'x.zip', content), '--dry-run', '--json']),
    )
    assert.equal(sequences[0]?.name, 'Upgrade')
    assert.deepEqual(coverage.content, [{ id: 'ABC00001', name: 'Tools', kind: 'package', state: 'missing' }])
  }
})

test('every encoding that these files occur in', async (t) => {
  const name = async (content: Buffer): Promise<unknown> => {
    const told = json(await sluice(['sequence', 'import', await file(t, 'x.xml', content), '--dry-run', '--json']))
    const instructions: unknown = told.sequences[0]?.instructions
    assert.ok(Array.isArray(instructions))
    return [instructions[1], told.problems.map(({ kind }) => kind)]
  }
  const utf16 = Buffer.from(`\ufeff${fragment}`, 'utf16le')
  const found = ['Prüfung', ['missingContent']]
  const guessed = ['Prüfung', ['missingContent', 'changed']]
  assert.deepEqual(await name(Buffer.from(fragment)), found)
  assert.deepEqual(await name(Buffer.from(`\ufeff${fragment}`)), found)
  assert.deepEqual(await name(utf16), found)
  assert.deepEqual(await name(Buffer.from(utf16).swap16()), found)
  assert.deepEqual(await name(Buffer.from(fragment, 'utf16le')), guessed)
  assert.deepEqual(await name(Buffer.from(fragment, 'latin1')), guessed)
})

test('without a dry run it writes a file that is valid and can be exported again; nothing is overwritten', async (t) => {
  const path = await file(t, 'Test.xml', fragment)
  const out = join(await folder(t), 'test.yaml')
  const written = await sluice(['sequence', 'import', path, '--out', out, '--map', 'ABC00001=XYZ00001', '--json'])
  assert.deepEqual(json(written).files, [out])
  assert.match(await readFile(out, 'utf8'), /package: XYZ00001/)
  assert.equal((await sluice(['sequence', 'check', out])).code, 0)

  const again = await sluice(['sequence', 'import', path, '--out', out])
  assert.equal(again.code, 1)
  assert.match(again.stderr, /is there already/)

  const xml = join(await folder(t), 'object.xml')
  assert.equal((await sluice(['sequence', 'export', out, '--out', xml])).code, 0)
  const back = json(await sluice(['sequence', 'import', xml, '--dry-run', '--json']))
  assert.deepEqual(back.sequences[0]?.instructions, ['G', 'Prüfung', 'G'])
  assert.deepEqual(
    back.coverage.content.map(({ id }) => id),
    ['XYZ00001'],
  )
})

test('programs come from an export with dependencies; what has to be written yet is listed with its place', async (t) => {
  const install = (name: string): string =>
    `<step type="SMS_TaskSequence_InstallSoftwareAction" name="${name}"><action>smsswd.exe /pkg:ABC00001 /install /basevar: /continueOnError:False</action><defaultVarList><variable name="_SMSSWDProgramName" property="ProgramName">${name}</variable></defaultVarList></step>`
  const program =
    '<INSTANCE CLASSNAME="SMS_Program"><PROPERTY NAME="PackageID"><VALUE>ABC00001</VALUE></PROPERTY><PROPERTY NAME="ProgramName"><VALUE>Install</VALUE></PROPERTY><PROPERTY NAME="CommandLine"><VALUE>setup.exe /q</VALUE></PROPERTY></INSTANCE>'
  const sequence = `<sequence version="3.10">${install('Install')}${install('Repair')}</sequence>`
  const path = await file(
    t,
    'export.zip',
    zip([
      {
        name: 'SMS_TaskSequencePackage/ABC00009/object.xml',
        content: Buffer.from(instance('ABC00009', 'Tools', sequence)),
      },
      { name: 'SMS_Program/ABC00001/object.xml', content: Buffer.from(program) },
    ]),
  )
  const out = join(await folder(t), 'tools.yaml')
  const { stdout, code } = await sluice(['sequence', 'import', path, '--out', out])
  assert.equal(code, 0)
  assert.match(stdout, /\nsteps\[1\] +Repair +the command of ABC00001:Repair is not known: write it\n/)
  assert.match(await readFile(out, 'utf8'), /commandLine: setup\.exe \/q/)
})

test('several sequences become a folder of files', async (t) => {
  const out = join(await folder(t), 'all')
  const both = await file(t, 'both.xml', `<All>${instance('ABC00001', 'A/B')}${instance('ABC00002', 'A/B')}</All>`)
  assert.equal((await sluice(['sequence', 'import', both, '--out', out])).code, 0)
  assert.deepEqual((await readdir(out)).sort(), ['A_B 2.yaml', 'A_B.yaml'])
})

test('what is malformed is told with file, line, column and reason, and nothing is written', async (t) => {
  const out = join(await folder(t), 'x.yaml')
  const path = await file(t, 'x.xml', '<sequence>\n  <group name="a">\n</sequence>')
  const result = await sluice(['sequence', 'import', path, '--out', out, '--json'])
  assert.equal(result.code, 1)
  assert.deepEqual(json(result).problems, [
    {
      kind: 'unusable',
      severity: 'error',
      place: { file: path, line: 2, column: 3 },
      message: '<group> is not closed',
    },
  ])
  assert.ok(!existsSync(out))
  const text = await sluice(['sequence', 'import', path])
  assert.equal(text.code, 1)
  assert.match(text.stdout, /x\.xml:2:3: <group> is not closed/)
})

test('what is too large is refused before all of it is read; damaged and hostile archives are refused', async (t) => {
  const refused = async (name: string, content: Buffer): Promise<string> => {
    const { code, stderr } = await sluice(['sequence', 'import', await file(t, name, content), '--dry-run'])
    assert.equal(code, 1)
    return stderr
  }
  assert.match(await refused('x.xml', Buffer.alloc(100 * 1024 * 1024, 'x')), /is larger than 33554432 bytes/)
  const good = exported('ABC00001', 'x')
  assert.match(await refused('x.zip', good.subarray(0, -30)), /no directory, so it is none or is cut off\.\n/)
  assert.match(await refused('x.zip', Buffer.from('not a ZIP')), /no directory/)
  const object = { name: 'object.xml', content: Buffer.from(instance('ABC00001', 'x')) }
  assert.match(await refused('x.zip', zip([{ ...object, claims: { checksum: 1 } }])), /object\.xml is damaged/)
  assert.match(await refused('x.zip', zip([{ ...object, claims: { flags: 1 } }])), /is encrypted/)
  const bomb = { name: 'object.xml', content: Buffer.alloc(30 * 1024 * 1024, ' '), claims: { sizeBytes: 100 } }
  assert.match(await refused('x.zip', zip([bomb])), /is damaged/)
  assert.match(
    await refused('x.zip', zip([{ ...bomb, claims: { sizeBytes: 2 ** 31 } }])),
    /has more than 33554432 bytes|unpacks to more/,
  )
  assert.match(
    await refused(
      'x.zip',
      zip(Array.from({ length: 6 }, (_, index) => ({ ...bomb, name: `${index}.xml`, claims: {} }))),
    ),
    /unpacks to more/,
  )
  assert.match(await refused('x.zip', zip([{ name: 'a.xml', content: Buffer.from('<a/>') }])), /no task sequence/)
  assert.match(
    await refused(
      'x.zip',
      zip([
        { ...object, name: '../../../etc/object.xml' },
        { ...object, claims: { checksum: 1 } },
      ]),
    ),
    /is damaged/,
  )
})

const samples = fileURLToPath(new URL('../../../../../shared/samples/task-sequences/', import.meta.url))
const skip = existsSync(samples) || process.env.CI === 'true' ? false : 'the sample sequences are not there'

test('a real export says the same as the document in it', { skip }, async () => {
  const names = await readdir(samples)
  const path = (start: string): string => join(samples, names.find((name) => name.startsWith(start)) ?? '')
  const [archive, document] = await Promise.all(
    ['29-', '03-'].map(async (start) => json(await sluice(['sequence', 'import', path(start), '--dry-run', '--json']))),
  )
  assert.deepEqual(archive?.sequences, document?.sequences)
  assert.ok(archive?.coverage.content.every(({ name }) => name !== undefined))
})
