/**
 * Renews the certificate that the site gave, over the link, when a third of its life is left; the file is
 * replaced, and whoever watches it takes it. What fails is tried again: there are months for it.
 */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { writeFileAtomic } from '@sluice/content'
import { linkPaths } from '@sluice/protocol'
import { readCertificate } from '../join.ts'
import type { Link } from '../link/link.ts'
import { type Log, reason } from '../log.ts'
import { requestFor } from './certificate-request.ts'

const LOOK_INTERVAL_MS = 3600_000
const TIMEOUT_MS = 30_000

export interface OwnCertificate {
  /** Looks now, as it does by itself every hour and whenever the link comes up. */
  look(): Promise<void>
  stop(): void
}

/** @param files paths of PEM files */
export function keepOwnCertificate(options: {
  files: { certificate: string; key: string }
  name: string
  link: Link
  now: () => number
  log: Log
}): OwnCertificate {
  const { files, name, link, now, log } = options
  let looking: Promise<void> | undefined

  async function look(): Promise<void> {
    const { validFromDate, validToDate } = new X509Certificate(await readFile(files.certificate))
    const life = validToDate.getTime() - validFromDate.getTime()
    if (!link.isUp() || now() < validToDate.getTime() - life / 3) return
    const csr = await requestFor(name, await readFile(files.key, 'utf8'))
    const answer = await link.request('control', {
      method: 'POST',
      path: linkPaths.certificate,
      body: Buffer.from(JSON.stringify({ csr })),
      timeoutMs: TIMEOUT_MS,
    })
    const certificate = answer.ok ? await readCertificate(answer.value) : answer
    if (!certificate.ok) return log.warn('certificate.not-renewed', { reason: certificate.problem.detail })
    await writeFileAtomic(files.certificate, certificate.value)
    log.info('certificate.renewed')
  }

  const lookOnce = (): Promise<void> => {
    looking ??= look()
      .catch((thrown: unknown) => log.warn('certificate.not-renewed', { reason: reason(thrown) }))
      .finally(() => {
        looking = undefined
      })
    return looking
  }
  const timer = setInterval(lookOnce, LOOK_INTERVAL_MS)
  timer.unref()
  return { look: lookOnce, stop: () => clearInterval(timer) }
}
