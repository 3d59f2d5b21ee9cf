import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { wqlClasses } from '@sluice/engine'
import { linuxRows, mountOf } from './linux-rows.ts'

test('the mount of a path is the nearest one, and of several there the last', () => {
  const mounts = [
    'overlay / overlay rw 0 0',
    'tmpfs /var tmpfs rw 0 0',
    '/dev/sda1 /var/lib/my\\040state ext4 rw 0 0',
    'server:/x /var/lib/my\\040state nfs4 rw 0 0',
  ].join('\n')
  assert.deepEqual(mountOf('/etc', mounts), { point: '/', type: 'overlay' })
  assert.deepEqual(mountOf('/variable', mounts), { point: '/', type: 'overlay' })
  assert.deepEqual(mountOf('/var/lib/my state/runs', mounts), { point: '/var/lib/my state', type: 'nfs4' })
  assert.equal(mountOf('/etc', ''), undefined)
})

test('this machine tells properties that queries may name, with values of their types', {
  skip: existsSync('/proc/self/mounts') ? false : 'needs /proc',
}, async () => {
  const rows = await linuxRows({ stateFolder: tmpdir(), firmware: true })
  assert.ok(rows.Win32_LogicalDisk?.every(({ Size }) => typeof Size === 'number' && Size > 0))
  for (const [name, found] of Object.entries(rows)) {
    const properties = new Map<string, string>(Object.entries(Reflect.get(wqlClasses, name)))
    for (const row of found)
      for (const [property, value] of Object.entries(row))
        if (value !== undefined && value !== null)
          assert.equal(typeof value === 'string' ? 'text' : typeof value, properties.get(property), property)
  }
  const hidden = await linuxRows({ stateFolder: tmpdir(), firmware: false })
  assert.equal(hidden.Win32_BIOS, undefined)
})
