/** Small single values that the agent must remember, by name. */
import type { State } from './state.ts'

export interface Settings {
  get(name: string): string | undefined
  set(name: string, value: string): void
}

export function createSettings({ db }: State): Settings {
  const read = db.prepare('SELECT value FROM setting WHERE name = ?')
  const write = db.prepare(
    'INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  )
  return {
    get(name) {
      const value = read.get(name)?.value
      return typeof value === 'string' ? value : undefined
    },
    set(name, value) {
      write.run(name, value)
    },
  }
}
