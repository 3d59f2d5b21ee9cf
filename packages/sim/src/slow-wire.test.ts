import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { test } from 'node:test'
import { startSlowWire } from './slow-wire.ts'

test('the wire carries every byte, no faster than its rate', async () => {
  const sent = Buffer.alloc(200_000, 7)
  const far = createServer((socket) => socket.end(sent)).listen(0, '127.0.0.1')
  await once(far, 'listening')
  const wire = await startSlowWire((far.address() as AddressInfo).port, 1_000_000)
  try {
    const begun = performance.now()
    const pieces: Buffer[] = []
    for await (const piece of connect(wire.port, '127.0.0.1')) pieces.push(piece as Buffer)
    assert.ok(Buffer.concat(pieces).equals(sent))
    assert.ok(performance.now() - begun >= 190)
    assert.equal(wire.carriedBytes(), sent.length)
  } finally {
    await wire.close()
    far.close()
  }
})

test('a wire whose far end is gone closes the connection', async () => {
  const far = createServer().listen(0, '127.0.0.1')
  await once(far, 'listening')
  const { port } = far.address() as AddressInfo
  await once(far.close(), 'close')
  const wire = await startSlowWire(port, 1_000_000)
  try {
    const near = connect(wire.port, '127.0.0.1')
    near.on('error', () => {})
    await once(near, 'close')
  } finally {
    await wire.close()
  }
})
