import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseLanguage, localeOf } from './language.ts'

test('the first language of the browser that we have wins', () => {
  assert.equal(chooseLanguage(['fr-CH', 'de-CH', 'en']), 'de')
  assert.equal(chooseLanguage(['sv']), 'sv')
  assert.equal(chooseLanguage(['ES-mx']), 'es')
})

test('without one of ours it is English', () => {
  assert.equal(chooseLanguage(['fr', 'nl']), 'en')
  assert.equal(chooseLanguage([]), 'en')
})

test('a remembered choice wins, unless it is nonsense', () => {
  assert.equal(chooseLanguage(['de'], 'it'), 'it')
  assert.equal(chooseLanguage(['de'], 'klingon'), 'de')
  assert.equal(chooseLanguage(['de'], null), 'de')
})

test('numbers and dates follow the region of the browser where it speaks the chosen language', () => {
  assert.equal(localeOf('en', ['de', 'en-GB']), 'en-GB')
  assert.equal(localeOf('de', ['en-GB']), 'de')
})
