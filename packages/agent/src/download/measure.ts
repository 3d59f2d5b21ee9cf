/**
 * One content as a run gets it, measured: the run's own code with its own state, an empty cache and no
 * connection open. For benchmarks; nothing of it stays.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type PackageId, type Problem, ProblemError } from '@sluice/protocol'
import { openCache } from '../cache/cache.ts'
import { createFlights } from '../cache/flights.ts'
import { loadIdentity } from '../identity/identity.ts'
import { createRunContents } from '../run/acquire.ts'
import type { AcceptedDeployment, RunParts } from '../run/runs.ts'
import { openState } from '../state/state.ts'
import { createLedger } from './ledger.ts'
import { createPageFolder } from './page-folder.ts'

export interface MeasuredDownload {
  /** From the step's question to the verified and flushed folder. */
  milliseconds: number
  fetchedBytes: number
  /** The content. */
  folder: string
}

/** @param folder empty or missing; @param files patterns of those wanted, all unless given; @param parts of an enrolled device. Throws `ProblemError`. */
export async function measureDownload(
  parts: RunParts,
  { deployment }: AcceptedDeployment,
  packageId: PackageId,
  folder: string,
  files?: readonly string[],
): Promise<MeasuredDownload> {
  const at = (name: string) => join(folder, name)
  for (const name of ['cache', 'run']) await mkdir(at(name), { recursive: true })
  const state = await openState(at('state'))
  if (!state.ok) throw new ProblemError(state.problem)
  const stop = new AbortController()
  try {
    const identity = await loadIdentity(join(parts.config.stateFolder, 'identity'), parts.keys)
    if (identity === undefined) throw new Error('the device is not enrolled')
    // Connections of earlier downloads are left behind.
    parts.client.identify({ key: parts.keys.identityPem, certificate: identity.certificate })
    const cache = await openCache({
      folder: at('cache'),
      state: state.value,
      now: parts.now,
      limits: () => parts.clientSettings().clientCache,
    })
    const contents = createRunContents({
      packages: deployment.packages,
      folder: at('run'),
      cache,
      flights: createFlights(),
      ledger: createLedger(state.value),
      pages: createPageFolder(at('pages')),
      localSeeds: { folders: parts.config.seedFolders, except: parts.config.stateFolder },
      client: parts.client,
      catalogue: parts.catalogue,
      sealKey: parts.keys.seal,
      grants: undefined,
      keepGrants: () => {},
      now: parts.now,
      random: Math.random,
      stop: stop.signal,
    })
    let waited: Problem | undefined
    const events = {
      onProgress: () => {},
      onReceived: () => {},
      onWaiting: (reason: Problem | undefined) => {
        waited ??= reason
      },
    }
    const began = performance.now()
    // As at the start of every run.
    contents.prepare()
    const got = await contents.acquire({ packageId, files, retry: { count: 0, delayMs: 0 } }, stop.signal, events)
    const milliseconds = performance.now() - began
    if (!got.ok) throw new ProblemError(got.problem)
    if (waited !== undefined) parts.log.warn('the download had to wait', { problem: waited })
    return { milliseconds, fetchedBytes: got.value.fetchedBytes, folder: got.value.folder }
  } finally {
    stop.abort()
    state.value.close()
  }
}
