/** Uploads by real processes of the site to a real storage: one of them is killed, nothing is done twice. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sha256 } from '@sluice/content'
import { azuriteAccount, azuriteKey, openFragileLine, startAzurite } from '@sluice/content/testing/cloud'
import { PackageId } from '@sluice/protocol'
import { onEveryDatabase } from '../db/testing.ts'
import { createLibraryWorld } from './testing/library-world.ts'
import type { PointProcess } from './testing/point-process.ts'

const MiB = 1024 * 1024
const id = PackageId.parse('ABC00001')
const script = fileURLToPath(new URL('./testing/point-process.ts', import.meta.url))
const azurite = await startAzurite()
after(() => azurite.close())

interface Running {
  child: ChildProcess
  /** How many contents it brought. */
  done(): number
  /** Packages that devices may be told of. */
  arrived(): string[]
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

async function startProcess(argument: PointProcess): Promise<Running> {
  const child = spawn(process.execPath, [script, JSON.stringify(argument)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> })
  reader.on('line', (line) => lines.push(line))
  await once(reader, 'line')
  return {
    child,
    done: () => lines.filter((line) => line === 'done').length,
    arrived: () => lines.flatMap((line) => (line.startsWith('arrived ') ? [line.slice(8)] : [])),
    async end(signal) {
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
    },
  }
}

const until = async (what: string, condition: () => boolean | Promise<boolean>) => {
  for (let tries = 0; !(await condition()); tries++) {
    assert.ok(tries < 2_000, what)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

onEveryDatabase(
  'an upload whose process was killed is taken up by one of two others, and sent once',
  async (db, location) => {
    const site = await createLibraryWorld(db)
    const line = await openFragileLine(azurite.port)
    const running: Running[] = []
    try {
      await site.imported({ big: 20 * MiB, small: 1000 }, id)
      const point = await site.library.cloudPoints.create({
        name: 'cloud',
        storage: {
          kind: 'azureBlob',
          containerUrl: azurite.containerUrl(await azurite.createContainer(), line.port),
          prefix: '',
          credential: { kind: 'sharedKey', account: azuriteAccount, key: azuriteKey },
        },
      })
      await site.library.stop()
      await site.library.distribute(id, [point.id])
      const state = async () => (await site.library.get(id)).distribution[0]
      line.sentBytes()

      // SQLite belongs to one process at a time: there the others come after it.
      const several = location.kind === 'postgres' ? 2 : 1
      line.breakAfter(9 * MiB)
      const first = await startProcess({ location, folder: site.root, aheadMs: 0 })
      running.push(first)
      let sent = 0
      await until('the middle of the upload', () => {
        sent += line.sentBytes()
        return sent > 8 * MiB
      })
      await first.end('SIGKILL')
      line.mend()
      assert.notEqual((await state())?.state, 'installed')

      for (let i = 0; i < several; i++)
        running.push(await startProcess({ location, folder: site.root, aheadMs: 120_000 }))
      await until('the upload', async () => (await state())?.state === 'installed')
      await until('its end', () => running.reduce((sum, one) => sum + one.done(), 0) > 0)
      for (const one of running.slice(1)) await one.end('SIGTERM')
      assert.equal(
        running.reduce((sum, one) => sum + one.done(), 0),
        1,
        'one process did it',
      )
      assert.deepEqual(
        running.flatMap((one) => one.arrived()),
        [id],
        'whoever waits for it can be told, once',
      )
      sent += line.sentBytes()
      assert.ok(sent < 30 * MiB, `${sent} bytes were sent for 20 MiB`)

      const cloud = await site.library.cloudPoints.open(point.id)
      const { contentId = assert.fail() } = await site.library.get(id)
      const objects = await site.library.contentObjects(contentId)
      assert.ok(objects.ok)
      for (const object of objects.value) {
        const got = await cloud.get(object)
        assert.ok(got.ok)
        assert.equal(sha256(Buffer.concat(await got.value.body.toArray())), object.hash)
      }
      assert.equal((await state())?.presentBytes, (await state())?.totalBytes)
    } finally {
      for (const one of running) one.child.kill('SIGKILL')
      await line.close()
      await site.close()
    }
  },
)
