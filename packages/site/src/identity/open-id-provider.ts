/** The organisation's OpenID provider, as its issuer describes it (OpenID Connect Discovery 1.0). */
import * as oidc from 'openid-client'

const TIMEOUT_S = 10

export interface ProviderClient {
  /** `https:`, or `http:` on loopback: the schemas see to that. */
  issuer: string
  clientId: string
  /** A public client has none. */
  clientSecret: string | undefined
}

/** Asks the provider for its description. Rejects when it cannot be reached or is another one. */
export async function discoverProvider({
  issuer,
  clientId,
  clientSecret,
}: ProviderClient): Promise<oidc.Configuration> {
  const onLoopback = new URL(issuer).protocol === 'http:'
  return await oidc.discovery(
    new URL(issuer),
    clientId,
    {},
    clientSecret === undefined ? oidc.None() : oidc.ClientSecretBasic(clientSecret),
    { timeout: TIMEOUT_S, ...(onLoopback ? { execute: [oidc.allowInsecureRequests] } : {}) },
  )
}
