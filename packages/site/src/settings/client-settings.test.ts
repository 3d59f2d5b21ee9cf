import assert from 'node:assert/strict'
import { ClientSettings } from '@sluice/protocol'
import { onEveryDatabase } from '../db/testing.ts'
import { createClientSettingsStore } from './client-settings.ts'

onEveryDatabase(
  'client settings are the defaults until somebody changes them; each change is a revision',
  async (db) => {
    const store = createClientSettingsStore({ db })
    const defaults = ClientSettings.parse({})
    assert.deepEqual(await store.get(), { settings: defaults, revision: 0 })
    const off = ClientSettings.parse({ cloudServices: { enableGateway: false } })
    assert.deepEqual(await store.set(off), { settings: off, revision: 1 })
    assert.deepEqual(await store.set(defaults), { settings: defaults, revision: 2 })
    assert.deepEqual(await store.get(), { settings: defaults, revision: 2 })
  },
)
