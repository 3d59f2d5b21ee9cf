import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forgetSession, type SessionPlace, takeSession } from './session.ts'

/** A tab of a browser, with an address bar that can be read. */
function tab(address: string, stored = new Map<string, string>()) {
  const url = new URL(address)
  const bar = { shows: address }
  const place: SessionPlace = {
    location: url,
    history: {
      replaceState: (_data, _unused, to) => {
        bar.shows = to
      },
    },
    storage: {
      getItem: (key) => stored.get(key) ?? null,
      setItem: (key, value) => void stored.set(key, value),
      removeItem: (key) => void stored.delete(key),
    },
  }
  return { place, bar, stored }
}

test('the token moves from the address bar into the tab', () => {
  const { place, bar, stored } = tab('http://127.0.0.1:4000/?a=b#token=s3cret-._~')
  assert.equal(takeSession(place), 's3cret-._~')
  assert.equal(bar.shows, '/?a=b')
  assert.deepEqual([...stored.values()], ['s3cret-._~'])
})

test('a reload finds the token again; another tab does not', () => {
  const { stored } = tab('http://127.0.0.1:4000/')
  stored.set('sluice-session', 's3cret')
  assert.equal(takeSession(tab('http://127.0.0.1:4000/#/options', stored).place), 's3cret')
  assert.equal(takeSession(tab('http://127.0.0.1:4000/#/options').place), undefined)
})

test('a new token replaces the old one', () => {
  const { place } = tab('http://127.0.0.1:4000/#token=new', new Map([['sluice-session', 'old']]))
  assert.equal(takeSession(place), 'new')
})

test('what cannot be a token is not taken', () => {
  for (const fragment of ['#token=', '#token=a%0d%0ab', `#token=${'a'.repeat(600)}`, '#/options'])
    assert.equal(takeSession(tab(`http://127.0.0.1:4000/${fragment}`).place), undefined)
})

test('a refused token is forgotten', () => {
  const { place } = tab('http://127.0.0.1:4000/#token=abc')
  takeSession(place)
  forgetSession(place)
  assert.equal(takeSession(tab('http://127.0.0.1:4000/').place), undefined)
  assert.equal(place.storage.getItem('sluice-session'), null)
})
