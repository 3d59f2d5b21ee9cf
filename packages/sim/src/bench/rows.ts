/** The rows of the content benchmark: what is measured, against what, and what it should come to. */
export const rowNames = [
  'wan-large-vs-curl',
  'wan-large-vs-aria2',
  'wan-clean-rate',
  'wan-small-vs-curl',
  'wan-small-vs-aria2',
  'loopback-verified',
  'update-os-tree-bytes',
  'update-os-tree-time',
  'update-kernel-bytes',
  'update-debs-bytes',
  'gateway-cpu',
  'memory-agent',
  'memory-gateway',
  'import',
  'million-files',
] as const
export type RowName = (typeof rowNames)[number]

export interface Target {
  /** `most`: the value may be at most this; `least`: at least. */
  kind: 'most' | 'least'
  value: number
  unit: string
  /** What the row says, for people. */
  meaning: string
}

const megabytes = (meaning: string): Target => ({ kind: 'most', value: 200, unit: 'MB', meaning })
const ratio = (value: number, meaning: string): Target => ({ kind: 'most', value, unit: 'ratio', meaning })

export const targets: Record<RowName, Target> = {
  'wan-large-vs-curl': ratio(0.35, 'one file of 32 MiB over 20 Mbit/s, 80 ms, 1 % loss: time, of one curl'),
  'wan-large-vs-aria2': ratio(1.05, 'the same: time, of aria2c -x16 -s16 -k1M'),
  'wan-clean-rate': { kind: 'least', value: 0.9, unit: 'of the line', meaning: 'the same line without loss: rate' },
  'wan-small-vs-curl': ratio(0.2, '2,000 files of 16 KiB over the lossy line: time, of curl, one after another'),
  'wan-small-vs-aria2': ratio(1, 'the same: time, of aria2c -j16'),
  'loopback-verified': ratio(1, '1 GiB received, opened, verified and on disk: time, of curl and then sha256sum -c'),
  'update-os-tree-bytes': ratio(0.95, 'Debian root 12 → 13 on a device that has 12: bytes fetched, of casync'),
  'update-os-tree-time': ratio(0.5, 'the same over the lossy line: time, of casync'),
  'update-kernel-bytes': ratio(0.95, 'unpacked kernel package, one point release on: bytes fetched, of casync'),
  'update-debs-bytes': ratio(1, 'folder of .debs of which about a tenth changed: bytes fetched, of casync'),
  'gateway-cpu': ratio(1.2, 'packs from a folder, 8 streams: processor time per GiB, of nginx'),
  'memory-agent': megabytes('largest resident memory of an agent, over all rows of this run'),
  'memory-gateway': megabytes('largest resident memory of the gateway, over all rows of this run'),
  import: ratio(0.7, 'import of a Debian root: time, of casync make'),
  'million-files': {
    kind: 'most',
    value: 300,
    unit: 'MB',
    meaning: 'a package of a million files: memory of site and agent; pages within 100 B a file and 60 B a chunk',
  },
}

export interface Row {
  name: RowName
  value: number
  unit: string
  target: number
  pass: boolean
  /** What stands behind the value. */
  versus: string
}

/** A row from what was measured. */
export function row(name: RowName, value: number, versus: string): Row {
  const { kind, value: target, unit } = targets[name]
  const pass = kind === 'most' ? value <= target : value >= target
  return { name, value: Math.round(value * 1000) / 1000, unit, target, pass, versus }
}

/** The middle one; of two the lower. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN
}
