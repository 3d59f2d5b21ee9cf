/** Everything about who administers: proof of identity, permissions, scopes, audit. */
import { COOKIE_HEADER, SESSION_COOKIE, type SiteId } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { FromWhere } from '../admin/exchange.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { SigningKey } from '../keys/keyring.ts'
import type { Log } from '../log.ts'
import type { Vault } from '../secrets/vault.ts'
import { type Accounts, createAccounts } from './accounts.ts'
import type { Actor } from './actor.ts'
import { type ApiTokens, createApiTokens } from './api-tokens.ts'
import { type Audit, createAudit } from './audit/audit.ts'
import { createGate, type Gate } from './gate.ts'
import { createScope } from './scope.ts'
import { createOwnAccount, type OwnAccount } from './sign-in/account.ts'
import { createChallenges } from './sign-in/challenges.ts'
import { createInvitations, type Invitations } from './sign-in/invitations.ts'
import { createPasskeys, type Passkeys } from './sign-in/passkeys.ts'
import { createPasswords, type PasswordCost } from './sign-in/password.ts'
import { isSameOrigin } from './sign-in/same-origin.ts'
import { cookieIn, createSessions } from './sign-in/sessions.ts'
import { createSignIn, type SignIn } from './sign-in/sign-in.ts'
import { createSignInApp } from './sign-in/sign-in-app.ts'
import { createSignOn, type SignOnConfig } from './sign-in/sign-on.ts'
import { createThrottle } from './sign-in/throttle.ts'

export interface Administration {
  accounts: Accounts
  own: OwnAccount
  passkeys: Passkeys
  apiTokens: ApiTokens
  invitations: Invitations
  signIn: SignIn
  audit: Audit
  gate: Gate
  /** Who a request of the admin API comes from; undefined: nobody. */
  authenticate(request: Request): Promise<Actor | undefined>
  /** Answers the paths below `/sign-in`. */
  signInPages(request: Request, from: FromWhere): Response | Promise<Response>
}

export interface AdministrationOptions {
  db: Kysely<Database>
  clock: Clock
  log: Log
  siteId: SiteId
  siteName: string
  auditKey: SigningKey
  /** Seals what authenticator apps are set up with. */
  vault: Vault
  signOn?: SignOnConfig | undefined
  /** Of the pages, as in `https://site.example:8443`; asked for when it is needed, since a port may be any free one. */
  origin(): string
  passwordCost?: PasswordCost
  /** Whether what is imported and applied is released at once: online mode. */
  releasesAtOnce(): Promise<boolean>
}

export function createAdministration(options: AdministrationOptions): Administration {
  const { db, clock, log, siteId, siteName, auditKey, vault, origin } = options
  const audit = createAudit({ db, clock, key: auditKey, siteId, log })
  const apiTokens = createApiTokens({ db, clock })
  const sessions = createSessions({ db, clock })
  const challenges = createChallenges({ db, clock })
  const passwords = createPasswords(options.passwordCost)
  const passkeys = createPasskeys({ db, clock, challenges, origin, siteName })
  const invitations = createInvitations({ db, clock, origin })
  const signOn = options.signOn && createSignOn({ config: options.signOn, challenges, origin })
  const throttle = createThrottle({ db, clock })
  const signIn = createSignIn({ db, clock, audit, vault, passwords, throttle, invitations, passkeys, sessions, signOn })
  const isFirst = async () => (await db.selectFrom('administrators').select('id').limit(1).execute()).length === 0
  const pages = createSignInApp({ signIn, passkeys, sessions, signOn, isFirst, siteName, log })
  return {
    accounts: createAccounts({ db, clock, invitations }),
    own: createOwnAccount({ db, clock, passwords, passkeys, sessions, vault, siteName }),
    ...{ passkeys, apiTokens, invitations, signIn, audit },
    gate: createGate({ audit, clock, scope: createScope({ db }), releasesAtOnce: options.releasesAtOnce }),
    signInPages: (request, from) => pages.fetch(request, from),

    async authenticate(request) {
      const { headers } = request
      const bearer = /^Bearer ([A-Za-z0-9_-]{1,200})$/.exec(headers.get('authorization') ?? '')?.[1]
      if (bearer !== undefined) return (await apiTokens.actorOf(bearer)) ?? (await sessions.actorOf(bearer, 'bearer'))
      // The cookie alone proves nothing: a page of another host could have sent the request (SEC-90).
      const cookie = cookieIn(headers, SESSION_COOKIE)
      if (cookie === undefined || headers.get(COOKIE_HEADER) === null || !isSameOrigin(request)) return undefined
      return await sessions.actorOf(cookie, 'cookie')
    },
  }
}
