import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeviceFacts, PreCacheTags } from '@sluice/protocol'
import { tagsFit } from './pre-cache.ts'

const device = { architecture: 'x64', model: 'Meridian 15 G2', language: 'sv-SE' } as DeviceFacts

test('a device must have all that the tags say; a package without tags is for every device', () => {
  const cases: [PreCacheTags | undefined, boolean][] = [
    [undefined, true],
    [{}, true],
    [{ architecture: 'x64', language: 'sv-se', model: 'meridian 15' }, true],
    [{ language: 'sv' }, true],
    [{ language: 's' }, false],
    [{ language: 'sv-FI' }, false],
    [{ architecture: 'arm64', language: 'sv' }, false],
    [{ model: 'Meridian 14' }, false],
  ]
  for (const [tags, fits] of cases) assert.equal(tagsFit(tags, device), fits, JSON.stringify(tags))
  assert.equal(tagsFit({ language: 'sv' }, { ...device, language: undefined }), false, 'who does not tell has none')
})
