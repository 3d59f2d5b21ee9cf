/** A device that said what its cache holds, and one that came again: what the commands make of that. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { EnrolmentBundle, type PackageInfo } from '@sluice/protocol'
import { enrol, makeDeviceKey, report, someFacts } from './testing/device.ts'
import { freePorts, startServer } from './testing/server.ts'
import { testSite } from './testing/site.ts'

const { folder, servers, as, text, json } = await testSite('devices')
const source = join(folder, 'drivers')

const bundleOf = async (...words: string[]): Promise<EnrolmentBundle> =>
  EnrolmentBundle.parse((await json<{ bundle: unknown }>('devices', 'token', ...words)).bundle)

before(async () => {
  const [device, enrolment, link] = await freePorts(3)
  const urls = ['--device-url', `https://127.0.0.1:${device}`, '--enrolment-url', `https://127.0.0.1:${enrolment}`]
  const { code } = await json<{ code: string }>('gateways', 'add', 'edge', '--link', `127.0.0.1:${link}`, ...urls)
  const program = fileURLToPath(new URL('../bin/sluice.ts', import.meta.url))
  const words = [program, 'gateway', 'join', '--folder', join(folder, 'gateway'), '--listen', '127.0.0.1', code]
  const { stdout } = await promisify(execFile)(process.execPath, words)
  servers.use(await startServer('gateway', (JSON.parse(stdout) as { configuration: string }).configuration))
  await mkdir(source)
  await writeFile(join(source, 'large'), randomBytes(3_000_000))
  await text('package', 'import', source, '--name', 'Drivers', '--id', 'ABC00001', '--target', 'linux')
  // It is there when the site has its link to the gateway.
  await text('package', 'distribute', 'ABC00001', '--to', 'edge', '--wait')
})

test('what an update costs each device, and what a sequence still fetches on it, is counted by its cache', async () => {
  const first = await json<PackageInfo>('package', 'show', 'ABC00001')
  assert.ok(first.contentId)
  await writeFile(join(source, 'more'), randomBytes(1_000))
  const second = await json<PackageInfo>('package', 'update', 'ABC00001', source)
  const nobody = await text('package', 'diff', 'ABC00001')
  assert.match(nobody, /^ABC00001 version 2\. A device that holds no version of it fetches 3\.0 MB\.\n\n\(none\)\n$/)

  const [bundle, key] = [await bundleOf(), await makeDeviceKey()]
  const known = await enrol(bundle, key)
  assert.ok(known.state === 'approved')
  const file = join(folder, 'up.yaml')
  const step = '{ type: runCommandLine, name: Run, package: ABC00001, commandLine: "true" }'
  await writeFile(file, `format: sluice-sequence/1\nname: Up\nsteps:\n  - ${step}\n`)
  type Previewed = { bytes: { mostBytes: number } }
  const preview = ['sequence', 'preview', file, '--device', 'laptop-7']
  assert.match(await text(...preview), /Assumed: the device has none of this content yet, as it says of its cache\./)
  const { bytes: whole } = await json<Previewed>(...preview)
  assert.equal(whole.mostBytes, second.totalBytes)

  const proof = { key: key.key, certificate: known.certificate }
  assert.equal(await report(bundle, proof, { kind: 'cacheState', contents: [first.contentId], more: 0 }), 200)
  assert.match(
    await text('package', 'diff', 'ABC00001'),
    /\nDEVICE +HOLDS VERSION +FETCHES AT MOST\nlaptop-7 +1 +\S+ k?B\n$/,
  )
  const { devices } = await json<{ devices: { fetchBytes: number }[] }>('package', 'diff', 'ABC00001')
  const [{ fetchBytes = 0 } = {}] = devices
  assert.ok(fetchBytes >= 1_000 && fetchBytes < second.totalBytes / 2, `${fetchBytes}`)
  assert.match(await text(...preview), /Assumed: the device still has ABC00001 version 1, as it says of its cache\./)
  const { bytes: rest } = await json<Previewed>(...preview)
  assert.equal(rest.mostBytes, fetchBytes)
})

test('lint with --references names the labels that no package has', async () => {
  const file = join(folder, 'labels.yaml')
  const wanted = '{ chosenBy: "%Wanted%", candidates: { labels: { kind: driver, model: X1 } } }'
  const step = `{ type: downloadPackageContent, name: Fetch, packages: [${wanted}] }`
  await writeFile(
    file,
    `format: sluice-sequence/1\nname: L\ninputs:\n  - { variable: Wanted, pattern: ".+" }\nsteps:\n  - ${step}\n`,
  )
  const lint = ['sequence', 'lint', file, '--references']
  assert.match(await text(...lint), /Warning: .*labels\.yaml:6:\d+: .*: no released package has the labels kind=driver/)
  await text('package', 'label', 'ABC00001', 'kind=driver', 'model=x1')
  assert.doesNotMatch(await text(...lint), /no released package/)
})

test('a computer that came again is one conflict, which is resolved by its id; then there is none', async () => {
  const facts = { ...someFacts, hostname: 'desk-1', hardwareUuid: '4C4C4544-0042-3510-8052-B4C04F303132' }
  const come = async () => {
    const answer = await enrol(await bundleOf(), await makeDeviceKey(), facts)
    assert.ok(answer.state === 'approved')
    return answer.deviceId
  }
  const [first, second] = [await come(), await come()]
  assert.match(
    await text('devices', 'conflicts'),
    new RegExp(`^DEVICE +NAME +KIND .*\n${second} +desk-1 +reenrolled +${first} .*\n$`),
  )
  assert.equal(await text('devices', 'resolve', 'desk-1', 'merge'), `The device is ${second}.\n`)
  assert.equal(await text('devices', 'conflicts'), '(none)\n')
  assert.match(await text('devices', 'show', second), /State: +approved/)
  assert.match(await text('devices', 'show', first), /State: +revoked/)

  const third = await come()
  assert.equal(await text('devices', 'resolve', third, 'block'), `The device is ${third}.\n`)
  assert.match(await text('devices', 'show', third), /State: +revoked/)
  const again = await as(['devices', 'resolve', third, 'new'])
  assert.match(again.stderr, /NOT_FOUND\)\n.*no open conflict/)
})
