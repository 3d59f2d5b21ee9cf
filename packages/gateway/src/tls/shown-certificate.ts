/**
 * The certificate that devices are shown, where it is not the one that the site gave: from files, or from
 * an ACME authority. Until there is one, the site's is shown: devices trust that in any case.
 */
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { failed, ok, problem, type Result } from '@sluice/protocol'
import { type Log, reason } from '../log.ts'
import { type GatewayConfig, readBounded } from '../settings/config.ts'
import { keepAcmeCertificate } from './acme.ts'
import { type ServerCertificate, watchCertificate } from './server-certificate.ts'

export interface ShownCertificate {
  /** To begin with. */
  first: ServerCertificate
  /** Looks for another one by itself from now on. */
  start(): void
  /** Orders to an ACME authority that failed in a row. */
  failures(): number
  stop(): Promise<void>
}

/** `CONFIGURATION_INVALID` when the files that are named cannot be used. */
export async function openShownCertificate(options: {
  settings: GatewayConfig['serverCertificate']
  ofSite: ServerCertificate
  dataFolder: string
  now: () => number
  log: Log
  onChange: (next: ServerCertificate) => void
}): Promise<Result<ShownCertificate | undefined>> {
  const { settings, now, log, onChange } = options
  if (settings === undefined) return ok(undefined)
  if (settings.kind === 'acme') {
    const folder = join(options.dataFolder, 'acme')
    const kept = await keepAcmeCertificate({ settings, folder, now, log, onCertificate: onChange })
    const { first = options.ofSite, look, failures, stop } = kept
    return ok({ first, start: () => void look(), failures, stop })
  }
  const files = { certificate: settings.certificateFile, key: settings.keyFile }
  try {
    const first = { certificate: await readBounded(files.certificate), key: await readBounded(files.key) }
    createSecureContext({ cert: first.certificate, key: first.key })
    const watch = watchCertificate({ first, files, now, log, onChange })
    return ok({ first, start: () => void watch.look(), failures: () => 0, stop: watch.stop })
  } catch (thrown) {
    return failed(problem('CONFIGURATION_INVALID', `serverCertificate cannot be used: ${reason(thrown)}`))
  }
}
