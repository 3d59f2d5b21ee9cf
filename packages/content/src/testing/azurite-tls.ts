/** Azurite over TLS: it then takes OAuth tokens, whose signature it does not check, and gives out delegated keys. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { promisify } from 'node:util'
import { type RunningAzurite, startAzurite } from './azurite.ts'

/** Its certificate is trusted by this process until it is closed. */
export async function startAzuriteTls(): Promise<RunningAzurite> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-azurite-tls-'))
  const tls = { certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
    ...['-subj', '/CN=azurite', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-out', tls.certificate, '-keyout', tls.key],
  ])
  const trusted = getCACertificates('default')
  setDefaultCACertificates([...trusted, await readFile(tls.certificate, 'utf8')])
  const azurite = await startAzurite(tls)
  return {
    ...azurite,
    async close() {
      setDefaultCACertificates(trusted)
      await azurite.close()
      await rm(folder, { recursive: true })
    },
  }
}

/** As Microsoft Entra ID forms it. @param forAudience another one is refused */
export function oauthToken(forAudience = 'https://storage.azure.com'): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const nowSeconds = Math.floor(Date.now() / 1000)
  const claims = {
    aud: forAudience,
    iss: 'https://sts.windows.net/00000000-0000-0000-0000-000000000000/',
    iat: nowSeconds,
    nbf: nowSeconds - 60,
    exp: nowSeconds + 3600,
    oid: '00000000-0000-0000-0000-000000000001',
    tid: '00000000-0000-0000-0000-000000000000',
  }
  return `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.c2lnbmF0dXJl`
}
