import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { scriptingCommand } from './command.ts'
import { COM_CLASSES, type Command, registrationOf } from './registration.ts'

const source = readFileSync(new URL('../../powershell/SluiceTS/SluiceTS.cs', import.meta.url), 'utf8')

/** A computer that answers what reg.exe would; the programs that were called. */
function computer(answers: Record<string, string>) {
  const called: string[] = []
  const said: string[] = []
  return {
    called,
    said,
    system: 'win32' as const,
    windows: 'C:\\Windows',
    run([program, ...words]: Command) {
      if (!program.endsWith('reg.exe')) called.push([program, ...words].join(' '))
      const known = Object.entries(answers).find(([name]) => words.join(' ').includes(name))
      return program.endsWith('reg.exe') && known === undefined
        ? { exitCode: 1, output: '' }
        : { exitCode: 0, output: known?.[1] ?? '' }
    },
    out: (line: string) => void said.push(line),
    error: (line: string) => void said.push(line),
  }
}

test('the classes of the source are those that are registered, each with a name of its own', () => {
  for (const { name, classId } of COM_CLASSES) assert.ok(source.includes(`Guid("${classId}"), ProgId("${name}")`), name)
  const ids = [...source.matchAll(/Guid\("([^"]+)"\)/g)].map(([, id]) => id)
  assert.equal(new Set(ids).size, ids.length)
})

test('compiled once, registered for both kinds of programs, and taken away from both', () => {
  const windows = computer({})
  assert.equal(scriptingCommand(['register'], windows), 0, windows.said.join())
  const [compiled, ...registered] = windows.called
  assert.match(
    compiled ?? '',
    /^C:\\Windows\\Microsoft\.NET\\Framework64\\v4\.0\.30319\\csc\.exe .*\/out:.*SluiceTS\.dll/,
  )
  assert.deepEqual(
    registered.map((line) => /Framework(64)?\\v4\.0\.30319\\RegAsm\.exe \/nologo \/codebase/.test(line)),
    [true, true],
  )
  const unregister = registrationOf('C:\\Windows', 'C:\\x').unregister.map(([program]) => program)
  assert.equal(unregister.length, 2)
})

test('G2: what another product registered stays as it is; ours is registered anew', () => {
  const other = computer({ 'Microsoft.SMS.TSEnvironment': '(Default) REG_SZ {00000000-1111-2222-3333-444444444444}' })
  assert.equal(scriptingCommand(['register'], other), 1)
  assert.deepEqual(other.called, [])
  assert.match(other.said.join(), /Another product has registered Microsoft\.SMS\.TSEnvironment/)
  const ours = computer({ 'Microsoft.SMS.TSEnvironment': `(Default) REG_SZ {${COM_CLASSES[0].classId}}` })
  assert.equal(scriptingCommand(['register'], ours), 0)
})

test('a system without such objects, and an order that nobody knows', () => {
  const here = { ...computer({}), system: 'linux' as const }
  assert.equal(scriptingCommand(['register'], here), 1)
  assert.match(here.said.join(), /Windows only/)
  assert.equal(scriptingCommand(['install'], here), 2)
})
