/**
 * A real site that signs and a real device that verifies, without a network: tests stand in between,
 * change, swap, withhold and replay. Only time is turned by hand.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type CatalogueReference, failed, ok, ProblemError, problem, type Result } from '@sluice/protocol'
import type { FetchBytes } from '../../../agent/src/trust/catalogue-fetcher.ts'
import type { StoredPolicy } from '../../../agent/src/trust/policy.ts'
import { openTrust, type Trust } from '../../../agent/src/trust/trust.ts'
import { openDatabase } from '../../../site/src/db/database.ts'
import { createSiteWorld, type SiteWorld } from '../../../site/src/deployments/testing/site-world.ts'
import { createKeyring } from '../../../site/src/keys/keyring.ts'
import { silentLog } from '../../../site/src/log.ts'

export const HOUR = 3600_000
export const DAY = 24 * HOUR

export type Bytes = Uint8Array
/** Stands between device and site. Gets what the site answered; gives what the device receives. */
export type Relay = (file: string, bytes: Bytes) => Result<Bytes>
export const honest: Relay = (_, bytes) => ok(bytes)
export const offline: Relay = () => failed(problem('UNREACHABLE', 'no network'))

export interface World {
  site: SiteWorld
  deployed: Awaited<ReturnType<SiteWorld['deployToInternet']>>
  device: Device
  advance(ms: number): void
}

export interface Device {
  trust: Trust
  relay: Relay
  /** What somebody gives for a file that the site does not have. */
  missing: (file: string) => Bytes | undefined
  /** Files asked for, as `timestamp.json` or `target`. */
  asked: string[]
  folder: string
  /** Polls, accepts and refreshes as the agent does. */
  sync(): Promise<Result<unknown>>
  poll(): Promise<Result<unknown>>
  restart(): Promise<void>
}

/** A site with a deployment, and an enrolled device that has not asked for anything yet. */
export async function inWorld(t: TestContext, body: (world: World) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'trust-'))
  const opened = await openDatabase({ kind: 'sqlite', path: join(folder, 'site.db') })
  assert.ok(opened.ok)
  try {
    const keyring = await createKeyring({ folder: join(folder, 'keys'), log: silentLog })
    const site = await createSiteWorld(opened.value, keyring)
    // The TUF client reads the system's clock.
    t.mock.timers.enable({ apis: ['Date'], now: site.clock.now() })
    const advance = (ms: number) => {
      site.clock.advance(ms)
      t.mock.timers.setTime(site.clock.now())
    }
    const deployed = await site.deployToInternet()
    await body({ site, deployed, device: await makeDevice(site, deployed, join(folder, 'device')), advance })
  } finally {
    await opened.value.destroy()
    await rm(folder, { recursive: true })
  }
}

async function makeDevice(site: SiteWorld, { caller }: World['deployed'], folder: string): Promise<Device> {
  let stored: StoredPolicy | undefined
  const asked: string[] = []
  const fetch: FetchBytes = async (route, parameters, { maxBytes }) => {
    const file = parameters.file ?? 'target'
    asked.push(file)
    let bytes: Bytes
    try {
      const answer = await site.catalogue.handlers[route]({
        ...site.relayed(caller, 'internet', undefined),
        parameters,
      })
      assert.ok(answer.kind === 'bytes')
      bytes = answer.body
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      if (device.relay === offline) return offline(file, new Uint8Array())
      const forged = device.missing(file)
      if (forged !== undefined) return forged.length > maxBytes ? tooLong(file, maxBytes) : ok(forged)
      return failed(error.problem)
    }
    assert.ok(bytes.length <= maxBytes, `${file}: ${bytes.length} of ${maxBytes}`)
    return device.relay(file, bytes)
  }
  async function open(): Promise<Trust> {
    const trusted = await openTrust({
      folder,
      deviceId: caller.deviceId,
      root: site.catalogue.trust().catalogueRoot,
      rootHash: site.catalogue.rootHash(),
      fetch,
      store: {
        load: () => stored,
        save(policy) {
          stored = policy
        },
      },
      clock: () => site.clock.now(),
    })
    assert.ok(trusted.ok)
    return trusted.value
  }
  const device: Device = {
    trust: await open(),
    relay: honest,
    missing: () => undefined,
    asked,
    folder,
    async poll() {
      const question = device.trust.policy.question()
      return device.trust.policy.accept(await site.poll(caller, 'internet', question), question)
    },
    async sync() {
      let accepted = await device.poll()
      if (!accepted.ok) {
        // The keys may have changed: they are listed in the catalogue's root.
        const refreshed = await device.trust.catalogue.refresh()
        if (!refreshed.ok) return accepted
        accepted = await device.poll()
      }
      if (!accepted.ok) return accepted
      return await device.trust.catalogue.refresh(references(device).map(({ target }) => target))
    },
    async restart() {
      device.trust = await open()
    },
  }
  return device
}

/** As the client of the gateway answers, which reads no further. */
const tooLong = (file: string, maxBytes: number) =>
  failed(problem('BAD_ANSWER', `${file} is longer than ${maxBytes} bytes`))

/** Everything that the policy of the device names. */
export function references({ trust }: Device): CatalogueReference[] {
  const deployments = trust.policy.current()?.body.deployments ?? []
  return deployments.flatMap(({ sequence, packages }) => [sequence, ...packages.map(({ manifest }) => manifest)])
}
export const sequenceOf = (device: Device): CatalogueReference => {
  const [first] = references(device)
  assert.ok(first)
  return first
}
export const code = (result: Result<unknown>) => (result.ok ? 'accepted' : result.problem.code)
export const flip = (bytes: Bytes, at: number): Bytes => {
  const flipped = Uint8Array.from(bytes)
  flipped[at] = (flipped[at] ?? 0) ^ 1
  return flipped
}
export const inWorldTest = (name: string, body: (world: World) => Promise<void>) => test(name, (t) => inWorld(t, body))
