/**
 * The one way into a route of the admin API: permission, scope, audit.
 *
 * 1. Every route has its row in the protocol's table of access, or the site does not start.
 * 2. Permission, and whether a scope can do it at all, before a byte of the body is read; the scope of what
 *    is named before the route acts.
 * 3. What changes anything is in the audit: with the change, in its transaction; without one, before
 *    the answer. So is every try that was forbidden.
 */
import { type AdminRouteId, adminAccess, adminRoutes, type Problem, ProblemError, problem } from '@sluice/protocol'
import { type Clock, timestamp } from '../clock.ts'
import { type Actor, may } from './actor.ts'
import type { Audit } from './audit/audit.ts'
import { asChange, type Change } from './audit/change.ts'
import { redacted } from './audit/redact.ts'
import type { Scope } from './scope.ts'

/** How long somebody who signed in may do what would keep a stolen session alive, or decides what runs. */
const FRESH_MS = 10 * 60_000

export interface Call {
  route: AdminRouteId
  actor: Actor
  address: string
  id: string
}

export interface Gate {
  /** 2. @throws ProblemError `FORBIDDEN` */
  admit(call: Call): Promise<void>
  /** @param before reads the thing as it is, for the audit; @throws ProblemError as the scope and the route do */
  pass<T>(
    call: Call & { body: unknown },
    act: () => Promise<T>,
    before: (() => Promise<unknown>) | undefined,
  ): Promise<T>
}

export function createGate(options: {
  audit: Audit
  scope: Scope
  clock: Clock
  /** Whether what is imported and applied is released at once. */
  releasesAtOnce(): Promise<boolean>
}): Gate {
  const { audit, scope, clock, releasesAtOnce } = options
  const unguarded = Object.keys(adminRoutes).filter((id) => adminAccess[id as AdminRouteId] === undefined)
  if (unguarded.length > 0) throw new Error(`no access is declared for the admin routes ${unguarded.join(', ')}`) // 1.

  const told = ({ route, actor, address, id }: Call) => ({
    actor: { kind: actor.kind, id: actor.id, name: actor.name },
    from: address,
    action: route,
    ...(id === '' ? {} : { subject: id.slice(0, 255) }),
  })

  return {
    async admit(call) {
      const now = clock.now()
      const releases =
        adminAccess[call.route].fresh === 'online' && !isFresh(call.actor, now) && (await releasesAtOnce())
      const reason = hindrance(call, now, releases)
      if (reason === undefined) return
      await audit.record({ ...told(call), outcome: reason.code }) // 3.
      throw new ProblemError(reason)
    },

    async pass(call, act, before) {
      const { actor, id, body } = call
      const { reach } = adminAccess[call.route]
      try {
        await scope.admit(actor, reach, { id, body })
      } catch (error) {
        if (error instanceof ProblemError) await audit.record({ ...told(call), outcome: error.problem.code })
        throw error
      }
      if (adminRoutes[call.route].method === 'GET') return await scope.narrow(actor, reach, await act())

      // What cannot be read now is not there: the route says so itself.
      const was = before === undefined ? undefined : await before().catch(() => undefined)
      const change: Change = {
        state: 'open',
        act: {
          ...told(call),
          at: timestamp(clock.now()),
          outcome: 'done',
          ...(was === undefined ? {} : { before: redacted(was) }),
          ...(body === undefined ? {} : { after: redacted(body) }),
        },
      }
      try {
        const answer = await asChange(change, act)
        if (change.state === 'open') await audit.record(change.act)
        return answer
      } finally {
        change.state = 'closed'
      }
    },
  }
}

/** Why this caller may not use the route, whatever he asks for. */
function hindrance({ route, actor }: Call, now: number, releases: boolean): Problem | undefined {
  const { permission, reach, fresh } = adminAccess[route]
  if (!may(actor, permission))
    return problem('FORBIDDEN', `This needs the permission ${permission}, which none of your roles has.`)
  if (reach === 'site' && actor.collections !== undefined)
    return problem('FORBIDDEN', 'This concerns the whole site, and your scope is some collections.')
  if (reach === 'account' && actor.kind !== 'administrator')
    return problem('FORBIDDEN', 'Sign in for this: a token has no account of its own.')
  if ((fresh === true || releases) && !isFresh(actor, now))
    return problem('SIGN_IN_AGAIN', 'You signed in more than 10 minutes ago.')
  return undefined
}

/** A token is given to a program for its whole life. */
const isFresh = (actor: Actor, now: number): boolean => actor.kind === 'token' || now - actor.signedInAt <= FRESH_MS
