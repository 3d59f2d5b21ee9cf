/** What the units in `docs/setup.md` put into the environment of each part: a benchmark starts them so. */
export const unitEnvironments = {
  site: { MALLOC_ARENA_MAX: '2' },
  gateway: { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '32768', MALLOC_TOP_PAD_: '0' },
  agent: { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072' },
} as const satisfies Record<string, Record<string, string>>
