import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRoute, routeHref } from './route.ts'

test('a route survives the address', () => {
  for (const hash of [
    '#/operating-systems',
    '#/installation-status',
    '#/options',
    '#/operating-systems/dep_0000000001',
  ])
    assert.equal(routeHref(parseRoute(hash)), hash)
})

test('nonsense leads to the first section', () => {
  for (const hash of ['', '#', '#/', '#/nowhere', '#/operating-systems/<script>', '#/options/dep_0000000001'])
    assert.equal(parseRoute(hash).view, 'section')
  assert.equal(parseRoute('#/nowhere').section, 'operatingSystems')
})
