import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timeZoneText } from './time-zone.ts'

const at = Date.UTC(2026, 10, 20)

test('a time zone in the words of Windows: biases, the days of both changes, names', () => {
  assert.equal(
    timeZoneText(at, 'Europe/Berlin'),
    '-60,0,-60,0,10,0,5,3,0,0,0,0,3,0,5,2,0,0,0,Central European Standard Time,Central European Summer Time',
  )
  assert.equal(
    timeZoneText(at, 'America/Los_Angeles'),
    '480,0,-60,0,11,0,1,2,0,0,0,0,3,0,2,2,0,0,0,Pacific Standard Time,Pacific Daylight Time',
  )
  // South of the equator summer ends in April.
  assert.match(timeZoneText(at, 'Australia/Sydney'), /^-600,0,-60,0,4,0,1,3,0,0,0,0,10,0,1,2,0,0,0,/)
})

test('a zone that changes nothing has no days', () => {
  const none = '0,0,0,0,0,0,0,0'
  assert.match(timeZoneText(at, 'Asia/Kolkata'), new RegExp(`^-330,0,0,${none},${none},India Standard Time,`))
  assert.match(timeZoneText(at, 'UTC'), new RegExp(`^0,0,0,${none},${none},`))
})
