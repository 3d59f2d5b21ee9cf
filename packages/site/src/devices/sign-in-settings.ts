/** Whether, where and by whom devices may be let in by a sign-in; kept with the client secret sealed. */
import { EnrolmentSignIn, type EnrolmentSignInSet } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Database } from '../db/database.ts'
import type { Vault } from '../secrets/vault.ts'

const Document = EnrolmentSignIn.omit({ hasSecret: true })
const OFF: EnrolmentSignIn = {
  registration: 'off',
  domains: [],
  groups: [],
  groupsClaim: 'groups',
  scopes: ['email', 'profile'],
  hasSecret: false,
}
const PURPOSE = 'enrolment/client-secret'

export interface SignInSettings {
  get(): Promise<EnrolmentSignIn>
  /** A secret never goes to another issuer or client than those it was given for. */
  set(next: EnrolmentSignInSet): Promise<EnrolmentSignIn>
  clientSecret(): Promise<string | undefined>
}

export function createSignInSettings({ db, vault }: { db: Kysely<Database>; vault: Vault }): SignInSettings {
  const row = () => db.selectFrom('enrolment_sign_in').selectAll().executeTakeFirst()

  async function get(): Promise<EnrolmentSignIn> {
    const found = await row()
    if (found === undefined) return OFF
    return { ...Document.parse(JSON.parse(found.document)), hasSecret: found.client_secret !== null }
  }

  return {
    get,
    async set({ clientSecret, ...next }) {
      const present = await get()
      const same = present.issuer === next.issuer && present.clientId === next.clientId
      const kept = same ? ((await row())?.client_secret ?? null) : null
      const given = clientSecret == null ? null : vault.seal(PURPOSE, clientSecret)
      const columns = {
        document: JSON.stringify(next),
        client_secret: clientSecret === undefined ? kept : given,
      }
      await db
        .insertInto('enrolment_sign_in')
        .values({ id: 1, ...columns })
        .onConflict((conflict) => conflict.column('id').doUpdateSet(columns))
        .execute()
      return await get()
    },
    async clientSecret() {
      const sealed = (await row())?.client_secret ?? null
      return sealed === null ? undefined : vault.open(PURPOSE, sealed)
    },
  }
}
