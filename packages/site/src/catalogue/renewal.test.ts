import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { CatalogueInfo } from '@sluice/protocol'
import { createLog } from '../log.ts'
import { expiryWarning } from './catalogue-info.ts'
import { keepFresh } from './renewal.ts'

const DAY = 24 * 3600_000

test('an expiry is told 30, 14 and 3 days ahead, once each, and no more after it was signed anew', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const said: string[] = []
  let left = 31 * DAY
  const info = async () => {
    const warningDays = expiryWarning(left, 0)
    const signature = { role: 'root' as const, version: 1, expiresAt: new Date(left).toISOString() }
    return { signatures: [warningDays === undefined ? signature : { ...signature, warningDays }] } as CatalogueInfo
  }
  const log = createLog((line) => said.push(line))
  const end = keepFresh({ renew: async () => {}, info }, log)
  const warnings = async (daysLeft: number) => {
    left = daysLeft * DAY
    for (let i = 0; i < 2; i++) {
      t.mock.timers.tick(DAY)
      await turn()
    }
    return said.splice(0).map((line) => /"?warningDays"?[=:] ?(\d+)/.exec(line)?.[1])
  }
  assert.deepEqual(await warnings(31), [])
  assert.deepEqual(await warnings(30), ['30'])
  assert.deepEqual(await warnings(20), [])
  assert.deepEqual(await warnings(14), ['14'])
  assert.deepEqual(await warnings(2), ['3'])
  assert.deepEqual(await warnings(365), [])
  assert.deepEqual(await warnings(3), ['3'])
  end()
})
