import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { ProblemError } from '@sluice/protocol'
import { linePorts } from './ports.ts'

test('any free ports: five different ones', async () => {
  const ports = Object.values(await linePorts(0))
  assert.equal(new Set(ports).size, 5)
})

test('a taken port is named', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  try {
    await assert.rejects(linePorts(port), (error) => {
      assert.ok(error instanceof ProblemError)
      assert.equal(error.problem.code, 'PORT_TAKEN')
      assert.match(error.problem.detail, new RegExp(String(port)))
      return true
    })
  } finally {
    other.close()
  }
})
