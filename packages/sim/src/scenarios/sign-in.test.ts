/** A computer is let in by whoever signs in for it: its command, a gateway, a site, and a real OpenID provider. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CLIENT_SECRET, startProvider, type TestProvider } from '../../../site/src/identity/testing/open-id-provider.ts'
import { must } from '../administrator.ts'
import { type Line, startLine } from '../line.ts'
import { linePorts } from '../ports.ts'

const agent = fileURLToPath(new URL('../../../agent/bin/sluice-agent.ts', import.meta.url))
const resources = new AsyncDisposableStack()
let folder: string
let line: Line
let provider: TestProvider

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-sign-in-'))
  resources.defer(() => rm(folder, { recursive: true, force: true }))
  provider = await startProvider({ anna: { email: 'anna@contoso.example', email_verified: true, name: 'Anna' } })
  resources.defer(() => provider.close())
  line = await startLine({ folder: join(folder, 'line'), ports: await linePorts(0), resources })
  const body = {
    ...({ registration: 'automatic', issuer: provider.issuer, clientId: 'sluice-devices' } as const),
    ...{ clientSecret: CLIENT_SECRET, domains: ['contoso.example'], groups: [] },
    ...{ groupsClaim: 'groups', scopes: ['email', 'profile'] },
  }
  must(await line.admin.call('setEnrolmentSignIn', { body }))
})
after(() => resources.disposeAsync())

/** Runs `sluice-agent enrol --sign-in` of a computer; @param onAddress gets the address that it shows */
async function enrol(name: string, onAddress: (address: string) => Promise<unknown> = async () => {}) {
  const home = join(folder, name)
  await mkdir(home, { recursive: true, mode: 0o700 })
  const bundle = must(await line.admin.call('enrolmentBundle'))
  await writeFile(join(home, 'bundle.json'), JSON.stringify(bundle))
  const config = { stateFolder: 'state', enrolmentBundle: 'bundle.json', facts: { hostname: name, model: 'Meridian' } }
  await writeFile(join(home, 'agent.json'), JSON.stringify(config))
  const child = spawn(process.execPath, [agent, 'enrol', '--sign-in', '--config', join(home, 'agent.json')])
  let output = ''
  let visited: Promise<unknown> | undefined
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => {
      output += text.toString()
      const address = /or open (\S+) and/.exec(output)?.[1]
      if (address !== undefined) visited ??= onAddress(address)
    })
  const [code] = (await once(child, 'close')) as [number]
  await visited
  return { code, output }
}

test('the command shows address and code; who signs in lets the computer in', async () => {
  const { code, output } = await enrol('laptop-1', (address) => provider.signIn(address, 'anna'))
  assert.equal(code, 0, output)
  assert.match(output, /enter the code\n\n {4}[A-Z]{4}-[A-Z]{4}\n/)
  const id = /This computer is now the device (dev_\w+)/.exec(output)?.[1]
  const [device] = must(await line.admin.call('devices')).items
  assert.deepEqual([device?.id, device?.state, device?.user?.email], [id, 'approved', 'anna@contoso.example'])

  const again = await enrol('laptop-1')
  assert.equal(again.code, 0)
  assert.match(again.output, /enrolled already: dev_/)
})

test('who says no keeps the computer out, and the command says so', async () => {
  const { code, output } = await enrol('laptop-2', (address) => provider.signIn(address, 'anna', 'deny'))
  assert.equal(code, 1, output)
  assert.match(output, /DEVICE_SIGN_IN_REFUSED: The person at the provider said no/)
  assert.equal(must(await line.admin.call('devices')).items.length, 1)
})
