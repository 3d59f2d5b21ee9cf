/** Tools of Windows that need a password: what is started, as text. None of it is run here. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { obstacles } from '../sequence/obstacles.ts'
import { sequenceOf, wholeRun } from '../testing/index.ts'

type Step = Parameters<typeof sequenceOf>[0][number]

async function started(step: Step) {
  const { host, result } = await wholeRun(sequenceOf([step]), { facts: { platform: 'windows' } })
  assert.equal(result.kind, 'success')
  const [action] = host.executed
  assert.ok(action?.kind === 'command')
  const [program, ...words] = action.argv
  return { program, text: words.slice(words.indexOf('-Command') + 1), input: action.secretInput }
}

const readsInput = /\[Console\]::In\.ReadLine\(\)/

test('a network folder is connected with an account; its password comes from standard input', async () => {
  const step = { type: 'connectNetworkFolder', name: 'N', path: '\\\\srv\\share', drive: 'N:' } as const
  const open = await started(step)
  assert.deepEqual([open.program, open.input], ['net.exe', undefined])
  const { program, text, input } = await started({ ...step, account: { account: "CORP\\o'neil", secret: 'Folder' } })
  assert.deepEqual([program, input], ['powershell.exe', 'Folder'])
  assert.match(text[0] ?? '', readsInput)
  assert.deepEqual(text.slice(1), ["'N:'", "'\\\\srv\\share'", "'CORP\\o''neil'"])
})

test('no value ends its quotes, whichever of its quotes PowerShell takes for one', async () => {
  const path = '\\\\srv\\a\u2019; b; \u2018c\u201ad\u201b'
  const { text } = await started({
    type: 'connectNetworkFolder',
    name: 'N',
    path,
    account: { account: 'a', secret: 'S' },
  })
  assert.equal(text[2], "'\\\\srv\\a\u2019\u2019; b; \u2018\u2018c\u201a\u201ad\u201b\u201b'")
})

test('a domain is joined with an account, in its unit; a workgroup needs none', async () => {
  const { text, input } = await started({
    ...{ type: 'joinDomainOrWorkgroup', name: 'J', domain: 'example.org', organizationalUnit: 'OU=Laptops' },
    account: { account: 'CORP\\joiner', secret: 'Join' },
  })
  assert.equal(input, 'Join')
  assert.match(text[0] ?? '', readsInput)
  assert.deepEqual(text.slice(1), ["'example.org'", "'CORP\\joiner'", "'OU=Laptops'"])
  const workgroup = await started({ type: 'joinDomainOrWorkgroup', name: 'J', workgroup: 'HOME' })
  assert.deepEqual([workgroup.text.slice(1), workgroup.input], [["'HOME'"], undefined])
})

test('BitLocker takes a PIN as a secure string', async () => {
  const { text, input } = await started({ type: 'enableBitLocker', name: 'B', mode: 'tpmAndPin', pin: 'Pin' })
  assert.equal(input, 'Pin')
  assert.match(text[0] ?? '', /In\.ReadLine.*-TpmAndPinProtector -Pin \$secure/s)
  const plain = await started({ type: 'enableBitLocker', name: 'B' })
  assert.equal(plain.input, undefined)
  assert.match(plain.text[0] ?? '', /-TpmProtector/)
  assert.doesNotMatch(plain.text[0] ?? '', readsInput)
})

test('a program runs as another account, with the secret that has its password', async () => {
  const step = { type: 'runCommandLine', name: 'C', commandLine: 'whoami.exe' } as const
  const runAs = { account: 'CORP\\runner', secret: 'Runner' }
  const { host } = await wholeRun(sequenceOf([{ ...step, runAs }]), { facts: { platform: 'windows' } })
  const [action] = host.executed
  assert.ok(action?.kind === 'command')
  assert.deepEqual([action.account, action.accountSecret], ['CORP\\runner', 'Runner'])
  const bare = sequenceOf([{ ...step, runAs: { account: 'runner' } }])
  assert.match(obstacles(bare, 'windows')[0]?.why ?? '', /names no secret with its password/)
  assert.deepEqual(obstacles(bare, 'linux'), [])
})

test('an account or a mode without its secret is refused before the run', () => {
  const why = (step: Step) => obstacles(sequenceOf([step]), 'windows').map((one) => one.why)
  const join = { type: 'joinDomainOrWorkgroup', name: 'J', domain: 'example.org' } as const
  assert.deepEqual(why({ ...join, account: { account: 'a' } }), ['its account names no secret with the password'])
  assert.deepEqual(why({ ...join, account: { account: 'a', secret: 'Join' } }), [])
  assert.deepEqual(why({ type: 'enableBitLocker', name: 'B', mode: 'tpmAndPin' }), ['it names no secret with the PIN'])
})

test('updates of Windows come by its own agent; a variable outranks the field', async () => {
  const { program, text } = await started({ type: 'installSoftwareUpdates', name: 'U' })
  assert.equal(program, 'powershell.exe')
  assert.match(text[0] ?? '', /Microsoft\.Update\.Session.*Download\(\).*Install\(\).*RebootRequired\) \{ exit 3010/s)
  assert.deepEqual(text.slice(1), ["'mandatory'"])
  assert.deepEqual((await started({ type: 'installSoftwareUpdates', name: 'U', target: 'all' })).text.slice(1), [
    "'all'",
  ])
})
