import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withEnvironment } from './environment.ts'

test('the environment counts more than the file, field by field', () => {
  const file = { dataFolder: 'data', limits: { connections: 5, relays: 6 }, scanAtStart: false }
  const env = {
    PATH: '/bin',
    SLUICE_GATEWAY_CONFIG: '/etc/gateway.json',
    SLUICE_GATEWAY_DATA_FOLDER: '/var/lib/gateway',
    SLUICE_GATEWAY_LIMITS__CONNECTIONS: '100',
    SLUICE_GATEWAY_LIMITS__RATES__DEVICE: '{"burst":7}',
    SLUICE_GATEWAY_SCAN_AT_START: 'true',
    SLUICE_GATEWAY_MANAGEMENT__HOST: '127.0.0.1',
  }
  assert.deepEqual(withEnvironment(file, env), {
    dataFolder: '/var/lib/gateway',
    limits: { connections: 100, relays: 6, rates: { device: { burst: 7 } } },
    scanAtStart: true,
    management: { host: '127.0.0.1' },
  })
  assert.deepEqual(file.limits, { connections: 5, relays: 6 })
})
