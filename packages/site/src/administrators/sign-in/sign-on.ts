/**
 * Sign-on at an OpenID provider: authorization code with PKCE, state and nonce (OpenID Connect Core
 * 1.0; RFC 9700).
 *
 * 1. A subject of the provider is an administrator only when another administrator said so: no claim
 *    that a user can set himself (name, mail) decides.
 * 2. What comes back must be the answer to what this browser began: a cookie names it, and it is taken
 *    once.
 */
import { readFile } from 'node:fs/promises'
import { fail, Issuer, signInPaths } from '@sluice/protocol'
import * as oidc from 'openid-client'
import { z } from 'zod'
import { discoverProvider } from '../../identity/open-id-provider.ts'
import type { Challenges } from './challenges.ts'

export const SignOnConfig = z.strictObject({
  /** For the button. */
  name: z.string().min(1).max(100),
  issuer: Issuer,
  clientId: z.string().min(1).max(255),
  /** Relative to the file. A public client has none. */
  clientSecretFile: z.string().min(1).max(4000).optional(),
})
export type SignOnConfig = z.infer<typeof SignOnConfig>

const Begun = z.object({ kind: z.literal('signOn'), verifier: z.string(), state: z.string(), nonce: z.string() })

export interface SignOn {
  name: string
  /** Where to send the browser, and what it must bring back in its cookie. */
  begin(): Promise<{ url: string; challenge: string }>
  /** @returns the subject. @throws ProblemError `SIGN_IN_REFUSED`, `UNREACHABLE` */
  end(challenge: string, returned: URL): Promise<string>
}

export function createSignOn(options: { config: SignOnConfig; challenges: Challenges; origin(): string }): SignOn {
  const { config, challenges, origin } = options
  let discovered: Promise<oidc.Configuration> | undefined

  /** Asked at the first use, and again after a failure: a provider that is down does not keep the site from starting. */
  async function provider(): Promise<oidc.Configuration> {
    discovered ??= discover(config).catch((error: unknown) => {
      discovered = undefined
      const cause = error instanceof Error ? error.message : String(error)
      return fail('UNREACHABLE', `${config.issuer}: ${cause}`)
    })
    return await discovered
  }

  return {
    name: config.name,
    async begin() {
      const at = await provider()
      const begun = {
        kind: 'signOn',
        verifier: oidc.randomPKCECodeVerifier(),
        state: oidc.randomState(),
        nonce: oidc.randomNonce(),
      } as const
      const url = oidc.buildAuthorizationUrl(at, {
        redirect_uri: `${origin()}${signInPaths.signOnReturn}`,
        scope: 'openid',
        code_challenge: await oidc.calculatePKCECodeChallenge(begun.verifier),
        code_challenge_method: 'S256',
        state: begun.state,
        nonce: begun.nonce,
      })
      return { url: url.href, challenge: await challenges.put(begun) }
    },

    async end(challenge, returned) {
      const begun = await challenges.take(challenge, Begun) // 2.
      if (begun === undefined) return fail('SIGN_IN_REFUSED', 'This sign-on was not begun here, or took too long.')
      const at = await provider()
      try {
        const tokens = await oidc.authorizationCodeGrant(at, new URL(returned.pathname + returned.search, origin()), {
          pkceCodeVerifier: begun.verifier,
          expectedState: begun.state,
          expectedNonce: begun.nonce,
          idTokenExpected: true,
        })
        const subject = tokens.claims()?.sub
        if (subject !== undefined) return subject
      } catch (error) {
        fail('SIGN_IN_REFUSED', `${config.name} refused: ${error instanceof Error ? error.message : 'no reason given'}`)
      }
      return fail('SIGN_IN_REFUSED', `${config.name} named nobody.`)
    },
  }
}

async function discover({ issuer, clientId, clientSecretFile }: SignOnConfig): Promise<oidc.Configuration> {
  const clientSecret = clientSecretFile === undefined ? undefined : (await readFile(clientSecretFile, 'utf8')).trim()
  return await discoverProvider({ issuer, clientId, clientSecret })
}
