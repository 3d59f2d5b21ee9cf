/** The organisation's OpenID provider, as its issuer describes it (OpenID Connect Discovery 1.0). */
import * as oidc from 'openid-client'

const TIMEOUT_S = 10
/** Of one answer, however it was compressed on the way. */
const MAX_ANSWER_BYTES = 1024 * 1024

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
    {
      timeout: TIMEOUT_S,
      [oidc.customFetch]: boundedFetch,
      ...(onLoopback ? { execute: [oidc.allowInsecureRequests] } : {}),
    },
  )
}

const boundedFetch: oidc.CustomFetch = async (url, options) => {
  const { body, status, statusText, headers } = await fetch(url, { ...options, body: options.body as BodyInit | null })
  let bytes = 0
  const bounded = body?.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, to) {
        bytes += piece.length
        if (bytes > MAX_ANSWER_BYTES) to.error(new Error(`the answer is longer than ${MAX_ANSWER_BYTES} bytes`))
        else to.enqueue(piece)
      },
    }),
  )
  return new Response(bounded, { status, statusText, headers })
}
