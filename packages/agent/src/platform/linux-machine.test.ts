import assert from 'node:assert/strict'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { defaultGateways, linuxMachine } from './linux-machine.ts'
import { installedVersions } from './linux-software.ts'

test('default gateways are those of the default routes, in the order of the bytes as people write them', () => {
  const routes = [
    'Iface\tDestination\tGateway \tFlags',
    'eth0\t00000000\t0101A8C0\t0003',
    'eth1\t00000000\tFE00000A\t0003',
    'eth1\t00000000\tFE00000A\t0003',
    'eth0\t0001A8C0\t00000000\t0001',
    'tun0\t00000000\t00000000\t0001',
  ].join('\n')
  assert.deepEqual(defaultGateways(routes), ['192.168.1.1', '10.0.0.254'])
  assert.deepEqual(defaultGateways(''), [])
})

test('this machine tells what it can, and nothing of a firmware that is not its own', {
  skip: existsSync('/proc/net/route') ? false : 'needs /proc',
}, async () => {
  const machine = await linuxMachine({ firmware: false })
  assert.match(machine.agentVersion, /^\d+\./)
  assert.deepEqual([machine.uuid, machine.uefi, machine.tpm], [undefined, undefined, undefined])
  const own = await linuxMachine({ firmware: true })
  assert.equal(typeof own.uefi, 'boolean')
  assert.ok(['none', 'present', 'enabled', 'activated'].includes(own.tpm ?? ''))
})

test('installed software is that of the device’s root, in every version, and of no strange name', {
  skip: existsSync('/usr/bin/dpkg-query') ? false : 'needs dpkg',
}, async (t) => {
  const root = temporaryFolder(t)
  mkdirSync(join(root, 'var/lib/dpkg/info'), { recursive: true })
  const entry = (name: string, status: string, version: string) =>
    `Package: ${name}\nStatus: ${status}\nArchitecture: all\nMaintainer: M\nDescription: D\nVersion: ${version}\n`
  const status = [entry('editor', 'install ok installed', '2:9.1-3'), entry('gone', 'deinstall ok config-files', '1.0')]
  writeFileSync(join(root, 'var/lib/dpkg/status'), status.join('\n'))
  assert.deepEqual(await installedVersions(root, 'editor'), ['2:9.1-3'])
  for (const name of ['gone', 'never', '--help', 'a b', '*']) assert.deepEqual(await installedVersions(root, name), [])
})
