/**
 * The gateway's own certificate: read again when its files change, and watched as its end comes near.
 *
 * 1. Only a certificate and a key that belong together are taken; until they do, the old ones stay.
 * 2. The end is told when 30, 14 and 3 days are left, once each; near the end at each start too.
 */
import { X509Certificate } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { type Log, reason } from '../log.ts'
import { readBounded } from '../settings/config.ts'

const LOOK_INTERVAL_MS = 1_000
const DAY_MS = 24 * 3600_000
const WARNING_DAYS = [3, 14, 30]

/** PEM. */
export interface ServerCertificate {
  certificate: string
  key: string
}

export interface CertificateWatch {
  /** When the certificate ends, in milliseconds since 1970. */
  end(): number
  /** Looks now; the watch does so by itself every second. */
  look(): Promise<void>
  stop(): Promise<void>
}

/**
 * @param files paths of the PEM files; absent where the certificate comes from elsewhere: only its end is watched then
 * @param onChange another certificate is to be shown from now on
 */
export function watchCertificate(options: {
  first: ServerCertificate
  files?: ServerCertificate | undefined
  now: () => number
  log: Log
  onChange: (next: ServerCertificate) => void
}): CertificateWatch {
  const { files, now, log, onChange } = options
  let current = options.first
  /** Of the files as they were read last. */
  let seen: string | undefined
  let warned: number | undefined
  let looking: Promise<void> = Promise.resolve()

  async function look(): Promise<void> {
    if (files !== undefined) {
      const stamp = await stampOf(files)
      if (stamp !== undefined && stamp !== seen) {
        seen = stamp
        await read(files)
      }
    }
    warn()
  }

  async function read({ certificate, key }: ServerCertificate): Promise<void> {
    try {
      const next = { certificate: await readBounded(certificate), key: await readBounded(key) }
      if (next.certificate === current.certificate && next.key === current.key) return
      createSecureContext({ cert: next.certificate, key: next.key }) // 1
      const until = endOf(next.certificate).toISOString()
      current = next
      warned = undefined
      onChange(next)
      log.info('certificate.replaced', { until })
    } catch (thrown) {
      log.error('certificate.not-taken', { reason: reason(thrown) })
    }
  }

  /** 2 */
  function warn(): void {
    const end = endOf(current.certificate)
    const daysLeft = (end.getTime() - now()) / DAY_MS
    const near = WARNING_DAYS.find((days) => daysLeft <= days)
    if (near === warned) return
    warned = near
    if (near === undefined) return
    const fields = { until: end.toISOString(), daysLeft: Math.floor(daysLeft) }
    log[daysLeft <= 3 ? 'error' : 'warn']('certificate.expires', fields)
  }

  const lookInTurn = (): Promise<void> => {
    looking = looking.then(look)
    return looking
  }
  const timer = setInterval(lookInTurn, LOOK_INTERVAL_MS)
  timer.unref()
  return {
    end: () => endOf(current.certificate).getTime(),
    look: lookInTurn,
    async stop() {
      clearInterval(timer)
      await looking
    },
  }
}

const endOf = (pem: string): Date => new X509Certificate(pem).validToDate

/** Changes when a file does; undefined while one of them is being replaced. */
async function stampOf({ certificate, key }: ServerCertificate): Promise<string | undefined> {
  try {
    const facts = await Promise.all([stat(certificate), stat(key)])
    return facts.map(({ ino, mtimeMs, size }) => `${ino} ${mtimeMs} ${size}`).join(', ')
  } catch {
    return undefined
  }
}
