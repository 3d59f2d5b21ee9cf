/**
 * What the X.509 library's injector needs of `Reflect` before it loads: metadata kept beside
 * classes. The proposal that it stands for was never finished, and no engine has it.
 */
type Target = object
type Metadata = Map<unknown, unknown>

const kept = new WeakMap<Target, Metadata>()

function defineMetadata(key: unknown, value: unknown, target: Target): void {
  const own = kept.get(target) ?? new Map()
  own.set(key, value)
  kept.set(target, own)
}

const getOwnMetadata = (key: unknown, target: Target): unknown => kept.get(target)?.get(key)

function getMetadata(key: unknown, target: Target): unknown {
  for (let at: Target | null = target; at !== null; at = Object.getPrototypeOf(at))
    if (kept.get(at)?.has(key)) return kept.get(at)?.get(key)
  return undefined
}

const metadata = (key: unknown, value: unknown) => (target: Target) => defineMetadata(key, value, target)

if (!('getMetadata' in Reflect)) Object.assign(Reflect, { defineMetadata, getOwnMetadata, getMetadata, metadata })
