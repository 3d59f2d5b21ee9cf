/** The contents of a run against a test gateway, with everything real but the site. */
import { createPrivateKey } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ClientSettings, ok, type PolicyPackage } from '@sluice/protocol'
import { type Cache, openCache } from '../../cache/cache.ts'
import { createFlights } from '../../cache/flights.ts'
import { createGatewayClient, type GatewayClient } from '../../gateway-client/gateway-client.ts'
import { type AcquireEvents, createRunContents, type DownloadLimits, type RunContents } from '../../run/acquire.ts'
import { openState } from '../../state/state.ts'
import type { TestAuthority } from '../../testing/test-authority.ts'
import type { TestGateway } from '../../testing/test-gateway.ts'
import type { Line } from '../budget/line.ts'
import { createLedger } from '../ledger.ts'
import { createPageFolder } from '../page-folder.ts'

/** Plain data: it can be given to another process. */
export interface TestRunOrder {
  folder: string
  gateway: Pick<TestGateway, 'address'> & { authority: Pick<TestAuthority, 'certificate'> }
  credentials: { key: string; certificate: string }
  /** PEM. */
  sealKey: string
  packages: { policy: PolicyPackage; root: string }[]
  limits?: Partial<DownloadLimits>
  seedFolders?: string[]
  /** Name below `folder` for what belongs to one run; without it the folder itself. */
  runFolder?: string
}

export interface TestRun {
  contents: RunContents
  cache: Cache
  client: GatewayClient
  stop(): void
}

/** @param line what of the line the run may use */
export async function openTestRun(order: TestRunOrder, line?: Line): Promise<TestRun> {
  const { folder, gateway, packages } = order
  const state = await openState(join(folder, 'state'))
  if (!state.ok) throw new Error(state.problem.detail)
  const client = createGatewayClient({ authority: gateway.authority.certificate, gateways: [gateway.address] })
  client.identify(order.credentials)
  const cacheFolder = join(folder, 'cache')
  mkdirSync(cacheFolder, { recursive: true })
  const { clientCache } = ClientSettings.parse({})
  const cache = await openCache({ folder: cacheFolder, state: state.value, now: Date.now, limits: () => clientCache })
  await cache.scan()
  const runFolder = join(folder, order.runFolder ?? '.')
  mkdirSync(runFolder, { recursive: true })
  const grantsPath = join(runFolder, 'grants.json')
  const stop = new AbortController()
  const contents = createRunContents({
    packages: packages.map(({ policy }) => policy),
    folder: runFolder,
    cache,
    flights: createFlights(),
    ledger: createLedger(state.value),
    pages: createPageFolder(join(folder, 'pages')),
    localSeeds: { folders: order.seedFolders ?? [], except: join(folder, 'cache') },
    client,
    catalogue: {
      async fetchTarget({ sha256 }) {
        const found = packages.find(({ policy }) => policy.manifest.sha256 === sha256)
        if (found === undefined) throw new Error(`no target ${sha256}`)
        return ok(Buffer.from(found.root, 'base64'))
      },
    },
    sealKey: createPrivateKey(order.sealKey),
    grants:
      existsSync(grantsPath) && statSync(grantsPath).size > 0
        ? JSON.parse(readFileSync(grantsPath, 'utf8'))
        : undefined,
    keepGrants: (grants) => writeFileSync(grantsPath, JSON.stringify(grants), { flush: true }),
    ...(line === undefined ? {} : { line }),
    now: Date.now,
    random: () => 0.5,
    limits: { streams: 4, idleMs: 5_000, maxPauseMs: 200, noProgressMs: 20_000, ...order.limits },
    stop: stop.signal,
  })
  return {
    contents,
    cache,
    client,
    stop() {
      stop.abort()
      client.close()
      state.value.close()
    },
  }
}

export const silent: AcquireEvents = { onProgress: () => {}, onReceived: () => {}, onWaiting: () => {} }
export const once = { count: 0, delayMs: 0 }
export const never = new AbortController().signal
