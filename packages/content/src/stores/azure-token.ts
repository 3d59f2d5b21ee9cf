import { ProblemError, problem } from '@sluice/protocol'
import type { AzureTokenCredential } from './azure-credential.ts'

/** A principal of Microsoft Entra ID with a client secret. */
export interface ClientSecret {
  /** Such as `https://login.microsoftonline.com`. */
  authority: string
  tenantId: string
  clientId: string
  clientSecret: string
}

const SCOPE = 'https://storage.azure.com/.default'
const TIMEOUT_MS = 30_000
const MAX_ANSWER_BYTES = 64 * 1024

/** Asks for tokens with a client secret (OAuth 2.0, RFC 6749 §4.4). Who uses it keeps them until they expire. */
export function clientSecretCredential({
  authority,
  tenantId,
  clientId,
  clientSecret,
}: ClientSecret): AzureTokenCredential {
  const address = `${authority.replace(/\/$/, '')}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`
  return {
    async getToken() {
      const refused = (said: string) =>
        new ProblemError(problem('STORAGE_REFUSED', `The directory gave no token for client ${clientId}: ${said}.`))
      const answer = await fetch(address, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          client_id: clientId,
          client_secret: clientSecret,
          scope: SCOPE,
        }),
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      }).catch((error: unknown) => {
        throw new ProblemError(problem('STORAGE_UNAVAILABLE', `${new URL(address).origin} gave no token.`), {
          cause: error,
        })
      })
      const parts: Uint8Array[] = []
      let sizeBytes = 0
      for await (const part of answer.body ?? []) {
        sizeBytes += part.length
        if (sizeBytes > MAX_ANSWER_BYTES) throw refused('its answer is too long')
        parts.push(part)
      }
      if (!answer.ok) throw refused(`HTTP ${answer.status}`)
      try {
        const said = JSON.parse(Buffer.concat(parts).toString('utf8')) as Record<string, unknown>
        const { access_token: token, expires_in: seconds } = said
        if (typeof token === 'string' && typeof seconds === 'number')
          return { token, expiresOnTimestamp: Date.now() + seconds * 1000 }
      } catch {}
      throw refused('its answer has no token')
    },
  }
}
