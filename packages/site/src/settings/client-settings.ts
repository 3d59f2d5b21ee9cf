/** The client settings of the site: one document, with a revision that rises with every change. */
import { ClientSettings } from '@sluice/protocol'
import type { Db } from '../db/database.ts'

export interface StoredClientSettings {
  settings: ClientSettings
  /** 0 until somebody changed the defaults. */
  revision: number
}

export interface ClientSettingsStore {
  get(): Promise<StoredClientSettings>
  set(settings: ClientSettings): Promise<StoredClientSettings>
}

/** @param onChanged told after a change is durable */
export function createClientSettingsStore({
  db,
  onChanged = () => {},
}: {
  db: Db
  onChanged?: () => void
}): ClientSettingsStore {
  async function get(): Promise<StoredClientSettings> {
    const row = await db.selectFrom('client_settings').select(['document', 'revision']).executeTakeFirst()
    if (row === undefined) return { settings: ClientSettings.parse({}), revision: 0 }
    return { settings: ClientSettings.parse(JSON.parse(row.document)), revision: row.revision }
  }

  return {
    get,
    async set(settings) {
      const document = JSON.stringify(settings)
      const { revision } = await db
        .insertInto('client_settings')
        .values({ key: 1, revision: 1, document })
        .onConflict((conflict) =>
          conflict.column('key').doUpdateSet((eb) => ({ document, revision: eb('client_settings.revision', '+', 1) })),
        )
        .returning('revision')
        .executeTakeFirstOrThrow()
      onChanged()
      return { settings, revision }
    },
  }
}
