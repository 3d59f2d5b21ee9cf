import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { sluice } from './testing/command.ts'

const folder = await mkdtemp(join(tmpdir(), 'sluice-cli-'))
after(() => rm(folder, { recursive: true }))

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

test('sequence check needs no site: every fault as file:line:column: path: message, exit code 1', async () => {
  const bad = await file(
    'bad.yaml',
    'format: sluice-sequence/1\nname: X\nsteps:\n  - type: runCommandLine\n    name: R\n    comandLine: x\n',
  )
  const { code, stdout, stderr } = await sluice(['sequence', 'check', bad])
  assert.deepEqual([code, stdout], [1, ''])
  assert.deepEqual(stderr.split('\n').slice(0, 4), [
    `${bad}:4:5: steps[0].commandLine: is missing; expected text`,
    `${bad}:6:5: steps[0].comandLine: unknown field "comandLine"; did you mean "commandLine"?`,
    'The sequence file is not valid. (SEQUENCE_INVALID)',
    `${bad}: steps[0].commandLine: is missing; expected text (and 1 more)`,
  ])
  assert.match(stderr, /What to do: Mend the places/)

  const json = await sluice(['sequence', 'check', bad, '--json'])
  assert.equal(json.code, 1)
  assert.equal(json.stderr, '')
  const { problem } = json.json as { problem: { code: string; errors: unknown[] } }
  assert.deepEqual([problem.code, problem.errors.length], ['SEQUENCE_INVALID', 2])

  const good = await file(
    'good.yaml',
    'format: sluice-sequence/1\nname: X\nsteps:\n  - { type: restartComputer, name: R, condition: { variable: A, operator: exists } }\n',
  )
  const fine = await sluice(['sequence', 'check', good])
  assert.equal(fine.code, 0)
  assert.deepEqual(fine.stdout.split('\n'), [
    `Warning: ${good}:4:62: steps[0].condition.variable: nothing sets the variable "A", and it is not declared in inputs`,
    `${good} is valid: X, 0 packages referenced.`,
    '',
  ])
})

test('sequence schema prints a JSON Schema', async () => {
  const { code, json } = await sluice(['--json', 'sequence', 'schema'])
  assert.equal(code, 0)
  assert.match(String((json as { $schema: string }).$schema), /json-schema.org/)
})

test('what is typed wrongly is told where it is typed', async () => {
  const wrong: [string[], RegExp][] = [
    [['package', 'show', 'abc'], /Give a package id such as ABC00001/],
    [['settings', 'set', '--allow-cloud-distribution-point', 'maybe'], /Give on or off/],
    [['deploy', 's', '--to', 'c', '--input', 'x'], /Give name=value/],
    [['deploy', 's', '--to', 'c', '--deadline', 'tomorrow'], /Give a time with its zone/],
    [['deploy', 's', '--to', 'c', '--content-option', 'never'], /whenNeeded, allBeforeStart/],
    [['devices', 'token', '--uses', '0'], /whole number from 1/],
    [['devices', 'approve', 'd', '--fingerprint', 'xyz'], /64 hexadecimal digits/],
    [['deploy', 's'], /--to <collection>.*not specified/],
    [['nonsense'], /unknown command 'nonsense'/],
    [['package', 'list', '--nope'], /unknown option '--nope'/],
  ]
  for (const [args, message] of wrong) {
    const { code, stderr } = await sluice(args)
    assert.equal(code, 1, args.join(' '))
    assert.match(stderr, message)

    const told = await sluice([...args, '--json'])
    assert.deepEqual([told.code, told.stderr], [1, ''], args.join(' '))
    assert.match((told.json as { problem: { detail: string } }).problem.detail, message)
  }
  const { json } = await sluice(['package', '--json'])
  assert.match((json as { problem: { detail: string } }).problem.detail, /A command is missing/)
})

test('the connection: options, then environment, then file; what is missing is named', async () => {
  const nothing = await sluice(['site'])
  assert.deepEqual([nothing.code, nothing.stderr.split(':')[0]], [1, 'Nothing says the address of the site'])

  await file('token', 'secret_token\n')
  const authority = await file('authority.pem', 'not a certificate')
  const connection = await file(
    'connection.json',
    JSON.stringify({ url: 'https://127.0.0.1:1', authority: 'authority.pem', tokenFile: 'token' }),
  )
  const pem = await sluice(['site', '--connection', connection])
  assert.equal(pem.stderr, `${authority} does not hold a certificate in PEM.\n`)

  await file('authority.pem', '-----BEGIN CERTIFICATE-----\n')
  const plain = await sluice(['site', '--site', 'http://127.0.0.1:1'], { env: { SLUICE_CONNECTION: connection } })
  assert.match(plain.stderr, /http:\/\/127.0.0.1:1, is not an https address/)

  const inFolder = await sluice(['site', '--connection', folder])
  assert.equal(inFolder.stderr, `${folder}: this is a folder; name a file.\n`)
  const unset = await sluice(['site'], { env: { SLUICE_CONNECTION: '' } })
  assert.match(unset.stderr, /^Nothing says the address of the site/)

  const incomplete = await file('incomplete.json', '{"url":"https://127.0.0.1:1"}')
  const missing = await sluice(['site', '--connection', incomplete])
  assert.match(missing.stderr, /incomplete.json: the field authority is missing/)

  const none = await sluice(['site', '--connection', join(folder, 'nothing.json')])
  assert.match(none.stderr, /nothing.json: there is no such file or folder/)
})
