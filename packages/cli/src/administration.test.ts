/** A site and a gateway as real processes, and everything an administrator does with them by this command. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { EnrolmentBundle } from '@sluice/protocol'
import { sluice } from './testing/command.ts'
import { enrol, makeDeviceKey } from './testing/device.ts'
import { freePorts, startServer } from './testing/server.ts'
import { testSite } from './testing/site.ts'

const { folder, servers, as, text, json } = await testSite('cli')

test('which site this is; a wrong token and another authority are refused', async () => {
  assert.match(await text('site'), /^Site: {6}site_[0-9a-z]+\nName: {6}Test\n/)

  const wrongToken = join(folder, 'wrong-token')
  await writeFile(wrongToken, 'wrong')
  const refused = await as(['site', '--token-file', wrongToken])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /NOT_AUTHENTICATED/)

  const other = await as(['site', '--authority', join(folder, 'site/keys/authorities/gateway-authority.pem')])
  assert.equal(other.code, 1)
  assert.match(other.stderr, /UNREACHABLE[\s\S]*certificate/)
})

test('a package: import, update, list, show; a folder that is not there', async () => {
  const source = join(folder, 'tools')
  await mkdir(source)
  await writeFile(join(source, 'run.sh'), 'echo hello\n')
  await writeFile(join(source, 'data'), Buffer.alloc(300_000, 'sluice'))
  const imported = await as(['package', 'import', source, '--name', 'Tools', '--target', 'linux', '--id', 'ABC00001'])
  assert.equal(imported.code, 0, imported.stderr)
  assert.match(imported.stderr, /^Importing: .* of /)
  assert.match(
    imported.stdout,
    /Package: ABC00001\nName: {4}Tools\n[\s\S]*Version: 1\nState: {3}released\nFiles: {3}2\nSize: {4}300.0 kB/,
  )

  await writeFile(join(source, 'more'), 'x')
  const updated = await json<{ version: number; fileCount: number }>('package', 'update', 'ABC00001', source)
  assert.deepEqual([updated.version, updated.fileCount], [2, 3])
  assert.match(await text('package', 'list'), /ABC00001 +2 +released +package +3 +300.0 kB .* Tools/)

  assert.match(
    await text('package', 'options', 'ABC00001'),
    /Persist content in the client cache: +off\n.*Architecture: +any/s,
  )
  await text('package', 'options', 'ABC00001', '--persist', 'on', '--architecture', 'x64', '--language', 'sv')
  const changed = await text('package', 'options', 'ABC00001', '--architecture', 'none')
  assert.match(changed, /cache: +on\nArchitecture: +any\nLanguage: +sv\nModel: +any/)
  assert.match((await as(['package', 'options', 'ABC00001', '--language', '?'])).stderr, /a language such as de-DE/)
  const diff = await text('package', 'diff', 'ABC00001', '1')
  assert.match(diff, /from version 1 to 2\n[\s\S]*1 added, 0 changed, 0 removed, 2 as they were\nadded {4}more/)
  assert.match((await as(['package', 'diff', 'ABC00001', '1', '7'])).stderr, /has no version 7/)

  const missing = await as(['package', 'import', join(folder, 'nowhere'), '--json'])
  assert.equal(missing.code, 1)
  assert.ok((missing.json as { problem: { code: string } }).problem.code)
})

test('a sequence: faults and missing packages with their places, nothing stored; then applied', async () => {
  const file = join(folder, 'upgrade.yaml')
  const write = (packageId: string, field = 'commandLine'): Promise<void> =>
    writeFile(
      file,
      `format: sluice-sequence/1\nname: Upgrade\nsteps:\n  - type: runCommandLine\n    name: Run\n    ${field}: sh run.sh\n    package: ${packageId}\n`,
    )
  await write('ABC00001', 'comandLine')
  const faulty = await as(['sequence', 'apply', file])
  assert.equal(faulty.code, 1)
  assert.ok(faulty.stderr.includes(`${file}:6:5: steps[0].comandLine: unknown field "comandLine"`), faulty.stderr)

  await write('ABC00009')
  const missing = await as(['sequence', 'apply', file])
  assert.equal(missing.code, 1)
  assert.ok(missing.stderr.includes(`${file}:7:14: steps[0].package: there is no package ABC00009`), missing.stderr)
  assert.match(missing.stderr, /SEQUENCE_REFERENCE_MISSING/)
  assert.equal(await text('sequence', 'list'), '(none)\n')

  await write('ABC00001')
  assert.match(await text('sequence', 'apply', file), /Name: +Upgrade\nRevision: 1\nSteps: +1\nPackages: ABC00001\n/)
  assert.match(await text('sequence', 'list'), /seq_[0-9a-z]+ +1 +1 +1 +released +Upgrade\n/)
})

test('a gateway: joins with a code, takes content, and can be told not to serve', async () => {
  const [device, enrolment, link] = await freePorts(3)
  const out = join(folder, 'gateway')
  const adding = [
    ...['gateways', 'add', 'edge', '--link', `127.0.0.1:${link}`],
    ...['--device-url', `https://127.0.0.1:${device}`, '--enrolment-url', `https://127.0.0.1:${enrolment}`],
  ]
  const { code } = await json<{ code: string }>(...adding)
  assert.match((await as(adding)).stderr, /CONFLICT/)
  assert.match((await as(['gateways', 'add', 'other'])).stderr, /Give --url/)
  const program = fileURLToPath(new URL('../bin/sluice.ts', import.meta.url))
  const joining = (...words: string[]) =>
    promisify(execFile)(process.execPath, [
      program,
      'gateway',
      'join',
      '--folder',
      out,
      '--listen',
      '127.0.0.1',
      ...words,
    ])
  const { stdout } = await joining(code)
  const { configuration } = JSON.parse(stdout) as { configuration: string }
  for (const name of await readdir(out)) assert.equal((await stat(join(out, name))).mode & 0o077, 0, name)
  await assert.rejects(joining(code), /is not empty/)
  await assert.rejects(joining('sluice-join-x'), /This is no join code/)

  servers.use(await startServer('gateway', configuration))
  const sent = await as(['sequence', 'distribute', 'Upgrade', '--to', 'edge', '--wait'])
  assert.equal(sent.code, 0, sent.stderr)
  assert.match(sent.stdout, /^ABC00001 version 2 on edge: installed, /)
  assert.match(await text('package', 'distribute', 'ABC00001', '--to', 'edge', '--wait'), /: installed, /)
  assert.match(await text('gateways'), /internet +up +folder .*edge\n/)
  assert.match(await text('gateways', 'status'), /edge +control +up .* ms +\d+ .*\nedge +bulk +up /)

  const checked = await text('gateway', 'check', 'edge', '--hold', '1')
  for (const line of [
    'Link: the site is connected',
    'Link, bulk: ',
    'Old TLS: TLS 1.0 and 1.1 are refused',
    'Site: answers',
  ])
    assert.ok(checked.includes(`✓ ${line}`), checked)
  assert.match(checked, /No fault was found\.\n$/)
  await text('settings', 'set', '--enable-gateway', 'off')
  const barred = await as(['gateway', 'check', 'edge', '--hold', '1', '--json'])
  assert.equal(barred.code, 1)
  const { faults, hops } = barred.json as { faults: number; hops: { problem?: { code: string } }[] }
  assert.equal(faults, 1, barred.stdout)
  assert.ok(hops.some(({ problem }) => problem?.code === 'GATEWAY_USE_DISABLED'))
  await text('settings', 'set', '--enable-gateway', 'on')
  // From a computer that knows no site: without an authority, then with that of a bundle.
  const url = `https://127.0.0.1:${device}`
  const alone = ['gateway', 'check', url, '--enrolment-url', `https://127.0.0.1:${enrolment}`, '--hold', '1']
  const untrusted = await sluice(alone)
  assert.equal(untrusted.code, 1)
  assert.match(untrusted.stdout, /✗ Certificate: .*GATEWAY_CERTIFICATE_UNTRUSTED\)\n {4}What to do: /)
  const { bundle } = await json<{ bundle: unknown }>('devices', 'token', '--no-token')
  const bundleFile = join(folder, 'check-bundle.json')
  await writeFile(bundleFile, JSON.stringify(bundle))
  assert.match(await text('gateway', 'check', 'edge', '--hold', '1', '--bundle', bundleFile), /No fault was found/)

  // The password of a proxy is in a file, and nowhere else.
  const proxied = (...more: string[]) => sluice([...alone, '--bundle', bundleFile, ...more])
  assert.match((await proxied('--proxy', 'http://me:s3cret@127.0.0.1:9')).stderr, /no word of the command/)
  const proxyFile = join(folder, 'proxy.txt')
  await writeFile(proxyFile, 'me:s3c@ret\n')
  const behind = await proxied('--proxy', 'http://127.0.0.1:9', '--proxy-credentials', proxyFile)
  assert.match(behind.stdout, /Proxy 127\.0\.0\.1:9: ECONNREFUSED/)
  assert.ok(!`${behind.stdout}${behind.stderr}`.includes('s3c'))
  const trusted = await sluice([...alone, '--bundle', bundleFile])
  assert.equal(trusted.code, 0, trusted.stdout)
  assert.match((await sluice(['gateway', 'check', 'http://127.0.0.1'])).stderr, /is not an https address/)

  assert.match(await text('gateways', 'set', 'edge', '--content', 'off'), /Content: +off/)
  assert.match(await text('gateways', 'set', 'edge', '--content', 'folder'), /Content: +folder/)
  const unknown = await as(['gateways', 'set', 'nobody', '--content', 'folder'])
  assert.match(unknown.stderr, /There is no gateway nobody/)
  assert.match(await text('gateways', 'code', 'edge'), /sluice gateway join .* sluice-join-/)

  await text('gateways', 'add', 'second', '--url', 'https://127.0.0.1:1')
  assert.match(await text('gateways', 'remove', 'second'), /^Removed gw_/)
  assert.doesNotMatch(await text('gateways'), /second/)
})

test('client settings: shown with their names; what is not named stays', async () => {
  assert.match(await text('settings'), /Enable clients to use a cloud management gateway: +on\n/)
  const off = await text('settings', 'set', '--allow-cloud-distribution-point', 'off', '--polling-interval', '60')
  assert.match(off, /gateway: +on\nAllow access to cloud distribution point: +off\nPolicy polling interval: +60 s\n/)
  await text('settings', 'set', '--allow-cloud-distribution-point', 'on')
  const named = await text('settings', 'set', '--organization', 'Contoso Ltd')
  assert.match(named, /Organization name displayed in Software Center: +Contoso Ltd\n/)
  assert.match(await text('settings', 'set', '--organization', ''), /Software Center: +what each agent is configured/)
  assert.match(await text('settings', 'show'), /Policy polling interval: +60 s/)
  const line = [
    '--limit-bandwidth',
    'on',
    '--window-days',
    'fri,mon',
    '--inside-rate',
    '2000',
    '--outside-rate',
    '9000',
  ]
  const limited = await text('settings', 'set', ...line, '--metered', 'limit', '--cache-size', '1024')
  assert.match(limited, /Throttling window days: +mon,fri\n/)
  assert.match(limited, /Maximum transfer rate outside the throttling window: +9000 Kbps\n/)
  assert.match(limited, /metered internet connections: +limit\n/)
  assert.match(limited, /Maximum cache size \(megabytes\): +1024 MiB\n/)
  assert.match(await text('settings', 'set', '--outside-rate', 'none'), /outside the throttling window: +none: as fast/)
  assert.match((await as(['settings', 'set', '--window-start', '25:00'])).stderr, /Give a time such as 09:00/)
})

test('collections and deployments; what stands against devices on the internet is said', async () => {
  await text('collection', 'create', 'Pilot')
  assert.match(await text('collection', 'list'), /col_[0-9a-z]+ +0 +Pilot/)
  assert.match(await text('collection', 'set-members', 'Pilot'), /Members: +0/)
  const nobody = await as(['collection', 'add', 'Pilot', 'nobody'])
  assert.match(nobody.stderr, /There is no device nobody/)

  const deployed = await text('deploy', 'Upgrade', '--to', 'Pilot', '--input', 'Site=A', '--retry-delay', '5')
  assert.match(deployed, /Purpose: +available/)
  assert.match(deployed, /Not for devices on the internet: .*\(INTERNET_NOT_ALLOWED\)/)
  const [{ id = '' } = {}] = await json<{ id: string }[]>('deployments')
  const changed = await json<{ settings: Record<string, unknown>; internetRefusals: unknown[] }>(
    ...['deployments', 'change', id, '--allow-internet', 'on'],
  )
  assert.deepEqual(
    [changed.settings.allowInternet, changed.settings.inputs, changed.settings.downloadRetryDelayMs],
    [true, { Site: 'A' }, 5000],
  )
  assert.deepEqual(changed.internetRefusals, [])
  assert.match(await text('deployments', 'show', id), /client on the Internet: +on/)
  assert.equal(await text('deployments', 'delete', id), `Deleted ${id}.\n`)
  assert.equal(await text('deployments'), '(none)\n')
})

test('a token: in a file for its owner only, never in the output, never over another file', async () => {
  const out = join(folder, 'device.json')
  const said = await text('devices', 'token', '--out', out, '--uses', '3')
  const bundle = EnrolmentBundle.parse(JSON.parse(await readFile(out, 'utf8')))
  assert.ok(bundle.token)
  assert.equal((await stat(out)).mode & 0o777, 0o600)
  assert.ok(!said.includes(bundle.token))
  assert.match(said, /good for 3 device\(s\)/)
  const again = await as(['devices', 'token', '--out', out])
  assert.equal(again.code, 1)
  assert.match(again.stderr, /is there already/)
  assert.equal(await text('devices'), '(none)\n')

  const [, id = ''] = /token (tok_[0-9a-z]+)/.exec(said) ?? []
  assert.match(await text('devices', 'tokens'), new RegExp(`${id} +open +3 of 3 `))
  assert.match(await text('devices', 'block', id), new RegExp(`${id} +blocked `))
  assert.equal((await as(['devices', 'block', 'tok_0000000000'])).code, 1)
})

test('what stood in clear text in an import becomes secrets of the site; a dry run stores nothing', async () => {
  const value = 'kanari of an import'
  const xml = join(folder, 'clear.xml')
  const variable = (name: string, text: string) => `<variable name="${name}">${text}</variable>`
  await writeFile(
    xml,
    `<sequence version="3.10"><globalVarList>${variable('AdminPassword', value)}${variable('ProductKey', 'AAAAA-BBBBB')}</globalVarList><step type="SMS_TaskSequence_RunCommandLineAction" name="S" successCodeList="0"><action>smsswd.exe /run: cmd.exe /c ver</action></step></sequence>`,
  )
  const secrets = async () => (await json<{ name: string }[]>('secrets')).map(({ name }) => name)
  const words = ['sequence', 'import', xml, '--secrets']
  const dry = await text(...words, '--dry-run')
  assert.match(dry, /AdminPassword stood in clear text\. Set it with: sluice secrets set AdminPassword/)
  assert.deepEqual(await secrets(), [])
  assert.match((await as(['secrets', 'set', 'ProductKey'], { answer: 'another' })).stdout, /is set/)
  const out = join(folder, 'clear.yaml')
  const said = await text(...words, '--out', out)
  assert.match(said, /It is the secret AdminPassword of the site now/)
  assert.match(said, /The site has a secret ProductKey already, which stays as it is/)
  assert.deepEqual(await secrets(), ['AdminPassword', 'ProductKey'])
  const told = await json<{ secrets: object[] }>(...words, '--out', join(folder, 'again.yaml'))
  assert.deepEqual(told.secrets[0], { name: 'AdminPassword', fields: ['AdminPassword'], site: 'kept' })
  assert.ok(![dry, said, JSON.stringify(told), await readFile(out, 'utf8')].some((each) => each.includes(value)))
})

test('a device without a token waits; it is approved by its fingerprint, and revoked', async () => {
  const { bundle: read } = await json<{ bundle: unknown }>('devices', 'token', '--no-token')
  const bundle = EnrolmentBundle.parse(read)
  assert.equal(bundle.token, undefined)
  assert.equal((await as(['devices', 'token', '--no-token', '--uses', '2'])).code, 1)
  const key = await makeDeviceKey()
  assert.equal((await enrol(bundle, key)).state, 'pending')
  assert.match(await text('devices', 'delete', 'laptop-7'), /^Deleted dev_/)
  assert.equal(await text('devices'), '(none)\n')
  await enrol(bundle, key)
  assert.match(await text('devices'), /dev_[0-9a-z]+ +pending +laptop-7 +Debian 12 +M1 +never\n/)
  const { fingerprint } = await json<{ fingerprint: string }>('devices', 'show', 'laptop-7')

  const nobodyThere = await as(['devices', 'approve', 'laptop-7'])
  assert.equal(nobodyThere.code, 1)
  assert.match(nobodyThere.stderr, new RegExp(`laptop-7 .* has the fingerprint ${fingerprint}.*--fingerprint`))
  const no = await as(['devices', 'approve', 'laptop-7'], { answer: 'no' })
  assert.match(no.stderr, /was not approved/)
  const other = await as(['devices', 'approve', 'laptop-7', '--fingerprint', '0'.repeat(64)])
  assert.equal(other.code, 1)
  const yes = await as(['devices', 'approve', 'laptop-7'], { answer: 'yes' })
  assert.match(yes.stdout, /State: +approved/)

  const sequence = join(folder, 'model.yaml')
  const condition = '{ variable: _SMSTSMachineName, operator: equals, value: laptop-7 }'
  await writeFile(
    sequence,
    `format: sluice-sequence/1\nname: M\nsteps:\n  - { type: setVariable, name: Here, variable: A, value: b, condition: ${condition} }\n`,
  )
  assert.match(await text('sequence', 'preview', sequence, '--device', 'laptop-7'), /\nyes +Here\n/)

  assert.match(await text('collection', 'add', 'Pilot', 'laptop-7'), /Members: +1/)

  await text('collection', 'variable', 'set', 'Pilot', 'Room', '12')
  assert.match(await text('collection', 'variable', 'priority', 'Pilot', '9'), /Priority among collections: 9/)
  const said = await as(['collection', 'variable', 'set', 'Pilot', 'AdminPassword', '--masked'], { answer: 'horse' })
  assert.match(said.stdout, /AdminPassword +\*{8} /)
  assert.ok(!said.stdout.includes('horse'))
  assert.equal((await as(['device', 'variable', 'set', 'laptop-7', 'Room', 'x', '--masked'])).code, 1)
  assert.match(await text('device', 'variable', 'set', 'laptop-7', 'Room', '14'), /Room +14 +this device/)
  assert.match(await text('device', 'variable', 'list', 'laptop-7'), /AdminPassword +\*{8} +col_/)
  const rooms = join(folder, 'rooms.yaml')
  const inRoom = (value: string) => `condition: { variable: Room, operator: equals, value: "${value}" }`
  await writeFile(
    rooms,
    `format: sluice-sequence/1\nname: Rooms\nsteps:\n${['12', '14'].map((room) => `  - { type: setVariable, name: In${room}, variable: A, value: b, ${inRoom(room)} }\n`).join('')}`,
  )
  const previewed = await text('sequence', 'preview', rooms, '--device', 'laptop-7')
  assert.match(previewed, /\nno +In12 .*\nyes +In14/)
  assert.match(previewed, /steps ask for AdminPassword like for secrets/)
  await text('device', 'variable', 'remove', 'laptop-7', 'room')
  assert.match(await text('sequence', 'preview', rooms, '--device', 'laptop-7'), /\nyes +In12/)
  assert.match(await text('devices', 'revoke', 'laptop-7'), /State: +revoked/)
})

test('status: prints what there is; watching goes on until it is ended, and that is no failure', async () => {
  assert.equal(await text('status'), '')
  const control = new AbortController()
  const watching = as(['status', '--watch'], { signal: control.signal })
  control.abort()
  assert.equal((await watching).code, 0)
})

test('the second person: who made a deployment cannot approve it; another administrator can', async () => {
  assert.match(await text('settings', 'approvals'), /no deployment needs a second person/)
  assert.match(await text('settings', 'approvals', '--above', '0'), /more than 0 devices need a second person/)
  const made = await text('deploy', 'Upgrade', '--to', 'Pilot')
  assert.match(made, /Waiting for approval: 1 devices\. Made by \w+ /)
  const [{ id = '' } = {}] = await json<{ id: string }[]>('deployments')
  const own = await as(['deployments', 'approve', id, '--yes'])
  assert.match(own.stderr, /APPROVAL_REFUSED/)

  const second = join(folder, 'second-token')
  const { token } = await json<{ token: string }>(
    'admins',
    'tokens',
    'create',
    'Ben',
    '--role',
    'securityAdministrator',
  )
  await writeFile(second, token)
  const again = await as(['deployments', 'approve', id, '--yes', '--token-file', second])
  assert.match(again.stderr, /APPROVAL_REFUSED/, 'another token of the same person')

  const home = { env: { HOME: join(folder, 'ben') } }
  const invited = await text('admins', 'invite', 'Ben', '--role', 'securityAdministrator')
  const code = new URL(/https:\S+/.exec(invited)?.[0] ?? '').hash.replace('#code=', '')
  const password = 'a ladder leans on the wall'
  assert.equal((await as(['login', '--invited'], { ...home, answers: [code, password, password] })).code, 0)
  const byBen = await as(['deployments', 'approve', id, '--yes'], home)
  assert.equal(byBen.code, 0, byBen.stderr)
  assert.match(byBen.stdout, /Approved by \w+ ben, for 1 devices/)
  assert.match(await text('settings', 'approvals', '--off'), /asks for: no deployment needs a second person/)
  await text('deployments', 'delete', id)
})
