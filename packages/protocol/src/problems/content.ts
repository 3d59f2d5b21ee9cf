import type { ProblemKind } from '../problem.ts'

/** Bytes: where they are, whether they are right. */
export const contentProblems = {
  PACK_GONE: {
    status: 410,
    retry: 'now',
    title: 'The pack is no longer where the layout says',
    remedy: 'The agent asks for the layout again.',
  },
  OBJECT_REFUSED: {
    status: 403,
    retry: 'now',
    title: 'What was asked for is no part of the content',
    remedy:
      'The agent asks for the layout again. Who names packs of something else gets nothing, whether they exist or not.',
  },
  CONTENT_NOT_DISTRIBUTED: {
    status: 409,
    retry: 'later',
    title: 'No distribution point that the device may use holds this content',
    remedy: 'Distribute it to a content-enabled gateway: `sluice package distribute <id> --to <gateway>`.',
  },
  CONTENT_CORRUPT: {
    status: 502,
    retry: 'later',
    title: 'Bytes from the distribution point do not have the hash they must have',
    remedy: 'Redistribute the package named in the detail; then check the disk of the distribution point.',
  },
  CONTENT_SOURCE_FAILED: {
    status: 502,
    retry: 'later',
    title: 'The distribution point did not deliver',
    remedy: 'The detail names source and answer. The agent tries again, then the next source.',
  },
  RANGE_REFUSED: {
    status: 416,
    retry: 'never',
    title: 'The range of bytes asked for cannot be served',
    remedy: 'One range that begins inside the object; several at once are never served.',
  },
  CONTENT_NOT_SAFE: {
    status: 422,
    retry: 'never',
    title: 'The folder or archive holds something that cannot be restored safely on the target',
    remedy: 'Rename or remove the entries listed; the rules are in `docs/content.md`.',
  },
  CONTENT_UNREADABLE: {
    status: 422,
    retry: 'never',
    title: 'The folder or archive, or a file in it, cannot be read',
    remedy:
      'Check the path (as the site sees it, not your machine), that the user of the site may read it, and that an archive is whole.',
  },
  CONTENT_TOO_LARGE: {
    status: 422,
    retry: 'never',
    title: 'The folder or archive has more files or bytes than one package can carry',
    remedy: 'Split it into several packages; the bounds are in `docs/limits.md`.',
  },
  ARCHIVE_NEEDS_MEMORY: {
    status: 422,
    retry: 'never',
    title: 'The archive asks for more memory to be decompressed than an import gives',
    remedy:
      'Compress it again with a smaller dictionary: `xz -9` asks for 64 MiB, `zstd --long` for 128 MiB, and more is not given.',
  },
  CONTENT_CHANGED_DURING_IMPORT: {
    status: 409,
    retry: 'now',
    title: 'A file changed while it was imported',
    remedy: 'Import again when nothing writes into the folder.',
  },
  MANIFEST_REFUSED: {
    status: 422,
    retry: 'never',
    title: 'A manifest or layout is malformed or not the one that was signed',
    remedy: 'Redistribute the package; if it goes on, the storage or the gateway is tampered with.',
  },
  STORAGE_REFUSED: {
    status: 502,
    retry: 'later',
    title: 'The storage refused what was asked of it',
    remedy:
      'Check credentials, their permissions, the name of bucket or container, the region and the clock; the detail has the storage’s own code.',
  },
  STORAGE_UNAVAILABLE: {
    status: 503,
    retry: 'later',
    title: 'The storage cannot be reached or has a fault',
    remedy: 'Check the address and the line to the storage; it is tried again by itself.',
  },
  STORAGE_CANNOT_SIGN: {
    status: 409,
    retry: 'never',
    title: 'The credentials of the storage cannot sign addresses for devices',
    remedy: 'Open the storage with an account key or a token credential; a shared access signature signs nothing.',
  },
  DOWNLOAD_NOT_NOW: {
    status: 503,
    retry: 'later',
    title: 'Content may not come at this time of day',
    remedy: 'Wait, or change the throttling window of the client settings: `sluice settings set --allow-outside on`.',
  },
  METERED_BLOCKED: {
    status: 503,
    retry: 'later',
    title: 'Content may not come over a metered connection',
    remedy: 'Connect to another network, or allow it: `sluice settings set --metered limit`.',
  },
  METERED_BUDGET_SPENT: {
    status: 503,
    retry: 'later',
    title: 'The data budget of the metered connection is used up',
    remedy:
      'Connect to another network, wait for the next day or month, or raise it: `sluice settings set --metered-budget <megabytes>`.',
  },
  FILES_NOT_IN_PACKAGE: {
    status: 422,
    retry: 'never',
    title: 'The package has none of the files that the step asks for',
    remedy: 'Correct `files` of the step named; the detail has the patterns that fit nothing.',
  },
  PACKAGE_NEEDED: {
    status: 409,
    retry: 'never',
    title: 'The package or version cannot be deleted: somebody needs it',
    remedy:
      'Delete the deployments that the detail names, or take the package out of the task sequences; `--force` overrules sequences that are deployed nowhere.',
  },
  CONTENT_IN_USE: {
    status: 409,
    retry: 'later',
    title: 'The content stays in the cache of the device',
    remedy: 'The detail says why: a run needs it, or it is pinned or persists.',
  },
  NO_SPACE: {
    status: 507,
    retry: 'later',
    title: 'There is not enough free space',
    remedy: 'Free the amount named in the detail, then try again. What was fetched is kept.',
  },
} as const satisfies Record<string, ProblemKind>
