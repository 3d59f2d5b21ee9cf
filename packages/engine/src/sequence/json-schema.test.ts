import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Step } from '@sluice/protocol'
import { sequenceJsonSchema } from './json-schema.ts'

test('the published schema knows every type of step', () => {
  const text = JSON.stringify(sequenceJsonSchema())
  const types = Step.options.map((option) => option.shape.type.value)
  assert.ok(types.length >= 17)
  for (const type of [...types, 'group']) assert.ok(text.includes(`"const":"${type}"`), type)
})
