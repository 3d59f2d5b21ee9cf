/**
 * Looks up many things that are asked for at the same moment with one statement: each statement costs more
 * than the row that it finds.
 *
 * A1. A key is read after it was asked for, never before: nobody is answered from what was true earlier.
 * A2. Nothing is kept: who asks later asks the database again.
 * A3. A statement that fails, fails for those who waited for it.
 */

/** Keys of one statement: databases bound the parameters of one. */
const KEYS = 64

/** @param find gives what there is, by key */
export function lookUpAtOnce<K, V>(
  find: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>,
): (key: K) => Promise<V | undefined> {
  let asked: { keys: Set<K>; found: Promise<ReadonlyMap<K, V>> } | undefined
  return async (key) => {
    if (asked === undefined || asked.keys.size === KEYS) {
      const keys = new Set<K>()
      const own = {
        keys,
        found: new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
          if (asked === own) asked = undefined // A1, A2
          return find([...keys])
        }),
      }
      asked = own
    }
    asked.keys.add(key)
    return (await asked.found).get(key)
  }
}
