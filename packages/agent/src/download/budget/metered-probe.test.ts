/** The real `busctl`, a real bus, and a service on it that says what NetworkManager says. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { missing } from '@sluice/content/testing'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { createMeteredProbe } from './metered-probe.ts'

const SERVICE = `
import sys, dbus, dbus.service, dbus.mainloop.glib
from gi.repository import GLib
dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.bus.BusConnection(sys.argv[1])
name = dbus.service.BusName('org.freedesktop.NetworkManager', bus)
class Manager(dbus.service.Object):
    @dbus.service.method('org.freedesktop.DBus.Properties', in_signature='ss', out_signature='v')
    def Get(self, interface, name):
        return dbus.UInt32(int(open(sys.argv[2]).read()))
manager = Manager(bus, '/org/freedesktop/NetworkManager')
print('ready', flush=True)
GLib.MainLoop().run()
`
const CONFIGURATION = (
  address: string,
) => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>${address}</listen>
<policy context="default"><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/><allow user="*"/></policy>
</busconfig>`

/** First line of a process that ends with the test. */
async function started(t: TestContext, command: string, args: string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  await Promise.race([once(createInterface({ input: child.stdout }), 'line'), once(child, 'exit')])
}

test('the property of NetworkManager decides, while it is there', async (t) => {
  try {
    execFileSync('/usr/bin/python3', ['-c', 'import dbus, gi'], { stdio: 'ignore' })
    execFileSync('busctl', ['--version'], { stdio: 'ignore' })
    execFileSync('dbus-daemon', ['--version'], { stdio: 'ignore' })
  } catch {
    return missing(t, 'a bus: dbus-daemon, busctl (systemd), python3-dbus, python3-gi')
  }
  const folder = temporaryFolder(t)
  const address = `unix:path=${join(folder, 'bus')}`
  const says = join(folder, 'metered')
  writeFileSync(join(folder, 'bus.conf'), CONFIGURATION(address))
  await started(t, 'dbus-daemon', [
    `--config-file=${join(folder, 'bus.conf')}`,
    '--nofork',
    '--nopidfile',
    '--print-address',
  ])
  let now = 0
  const environment = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: address }
  const probe = createMeteredProbe('detect', () => now, environment)
  assert.equal(await probe.look(), false, 'there is no NetworkManager')

  writeFileSync(says, '1')
  await started(t, '/usr/bin/python3', ['-c', SERVICE, address, says])
  assert.equal(await probe.look(), false, 'it is not asked again at once')
  for (const [value, metered] of [
    ['1', true],
    ['2', false],
    ['3', true],
    ['4', false],
    ['0', false],
  ] as const) {
    writeFileSync(says, value)
    now += 60_000
    assert.equal(await probe.look(), metered, value)
    assert.equal(probe.last(), metered)
  }
})

test('the configuration knows better', async () => {
  assert.equal(await createMeteredProbe('yes', () => 0).look(), true)
  assert.equal(await createMeteredProbe('no', () => 0).look(), false)
})
