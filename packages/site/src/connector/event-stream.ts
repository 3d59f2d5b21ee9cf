/**
 * What the site tells one gateway, for as long as the connection lives: the configuration first,
 * then whatever of it changed. The stream compares what it said with what is true, so an event
 * that was missed, or that another process of the site caused, is made good at the next beat.
 */
import type { ServerHttp2Stream } from 'node:http2'
import { type DeviceId, type GatewayConfiguration, type LinkEvent, linkBounds } from '@sluice/protocol'

export interface EventStream {
  /** Something in the configuration may be other than it was: a revocation, a setting. */
  check(): void
  contentsChanged(): void
  /** These devices, or all, shall ask for policy. */
  sync(devices: readonly DeviceId[] | undefined): void
}

export function openEventStream(
  stream: ServerHttp2Stream,
  configuration: () => Promise<GatewayConfiguration>,
  onFailure: (cause: unknown) => void,
): EventStream {
  let told: GatewayConfiguration | undefined
  let tail: Promise<void> = Promise.resolve()

  function say(event: LinkEvent): void {
    if (!stream.closed && !stream.destroyed) stream.write(`${JSON.stringify(event)}\n`)
  }

  /** One thing after another, so that nothing older overtakes. */
  function queue(piece: () => Promise<void> | void): void {
    tail = tail.then(async () => {
      if (!stream.closed) await piece()
    })
    tail = tail.catch(onFailure)
  }

  async function tellNews(): Promise<boolean> {
    const now = await configuration()
    const event = told === undefined ? { kind: 'configuration' as const, configuration: now } : news(told, now)
    if (event === undefined) return false
    told = now
    say(event)
    return true
  }

  const check = () =>
    queue(async () => {
      await tellNews()
    })
  const beat = setInterval(
    () =>
      queue(async () => {
        // A gateway that does not read gets no more to hold.
        if (!stream.writableNeedDrain && !(await tellNews())) say({ kind: 'alive' })
      }),
    linkBounds.aliveIntervalMs,
  )
  stream.once('close', () => clearInterval(beat))
  stream.respond({ ':status': 200, 'content-type': 'application/x-ndjson' })
  check()
  return {
    check,
    contentsChanged: () => queue(() => say({ kind: 'contentsChanged' })),
    sync: (devices) => queue(() => say({ kind: 'sync', ...(devices === undefined ? {} : { devices: [...devices] }) })),
  }
}

/** The smallest event that brings a gateway from one configuration to the other. */
export function news(before: GatewayConfiguration, now: GatewayConfiguration): LinkEvent | undefined {
  const known = new Set(before.revokedCertificates)
  const certificates = now.revokedCertificates.filter((hash) => !known.has(hash))
  const rest = (configuration: GatewayConfiguration) => JSON.stringify({ ...configuration, revokedCertificates: [] })
  if (rest(before) !== rest(now)) return { kind: 'configuration', configuration: now }
  if (certificates.length > 0) return { kind: 'revoked', certificates }
  // What left the list has expired, or is let in again: a device that was blocked waits for it.
  const listed = new Set(now.revokedCertificates)
  if (before.revokedCertificates.some((hash) => !listed.has(hash))) return { kind: 'configuration', configuration: now }
  return undefined
}
