/**
 * The paths below `/sign-in/`: what answers before anybody proved who he is.
 *
 * 1. A page of another host can begin nothing here (`same-origin.ts`), but for the return from the
 *    provider of sign-on, which its own cookie guards.
 * 2. The token of a session goes into a cookie that no script reads, or once into an answer for the
 *    command line; never into an address.
 */
import {
  InvitationAccept,
  PasskeySignIn,
  PasswordSignIn,
  problem,
  SESSION_COOKIE,
  SIGN_IN_BODY_BYTES,
  type SignedIn,
  type SignInWays,
  signInPaths,
} from '@sluice/protocol'
import { type Context, Hono } from 'hono'
import type { z } from 'zod'
import { type FromWhere, jsonBody, refuse } from '../../admin/exchange.ts'
import type { Log } from '../../log.ts'
import { problemOf } from '../../problem-document.ts'
import { languageOf, PAGE_HEADERS, readSignInPage } from './page.ts'
import type { Passkeys } from './passkeys.ts'
import { isSameOrigin } from './same-origin.ts'
import { cookieIn, NO_SESSION_COOKIE, type Sessions, sessionCookie } from './sessions.ts'
import type { Begun, SignIn } from './sign-in.ts'
import type { SignOn } from './sign-on.ts'

const SIGN_ON_COOKIE = '__Host-sluice-sign-on'
/** Lax: it must come along when the provider sends the browser back. */
const signOnCookie = (challenge: string, more = '') =>
  `${SIGN_ON_COOKIE}=${challenge}; Path=/; Secure; HttpOnly; SameSite=Lax${more}`

type Env = { Bindings: FromWhere }

export function createSignInApp(options: {
  signIn: SignIn
  passkeys: Passkeys
  sessions: Sessions
  signOn: SignOn | undefined
  /** Whether nobody administers yet. */
  isFirst(): Promise<boolean>
  siteName: string
  log: Log
}): Hono<Env> {
  const { signIn, passkeys, sessions, signOn, isFirst, siteName, log } = options
  const page = readSignInPage()
  const app = new Hono<Env>()
  const address = (context: Context<Env>) => context.env?.address ?? ''
  const body = <S extends z.ZodType>(context: Context<Env>, schema: S) =>
    jsonBody(context.req.raw, schema, SIGN_IN_BODY_BYTES)

  app.use(async (context, next) => {
    for (const [name, value] of Object.entries(PAGE_HEADERS)) context.header(name, value)
    await next()
  })
  app.use('/sign-in/v1/*', async (context, next) => {
    const navigates = context.req.path === signInPaths.signOnReturn || context.req.path === signInPaths.signOn
    if (!navigates && !isSameOrigin(context.req.raw))
      // 1.
      return refuse(context, problem('SIGN_IN_REFUSED', 'This was sent by a page of another host.'))
    await next()
  })

  app.get('/sign-in', (context) => context.redirect(signInPaths.page))
  app.get(signInPaths.page, (context) =>
    context.html(page.html(languageOf(context.req.header('accept-language') ?? null), siteName)),
  )
  app.get('/sign-in/page.js', (context) => {
    context.header('content-type', 'text/javascript; charset=utf-8')
    return context.body(page.script)
  })
  app.get('/sign-in/page.css', (context) => {
    context.header('content-type', 'text/css; charset=utf-8')
    return context.body(page.style)
  })

  app.get(signInPaths.ways, async (context) => {
    const name = signOn === undefined ? {} : { signOn: signOn.name }
    return context.json({ passkey: true, ...name, firstAdministrator: await isFirst() } satisfies z.input<
      typeof SignInWays
    >)
  })

  /** 2. */
  function begun(context: Context<Env>, { name, token, expiresAt }: Begun, keep: 'cookie' | 'bearer'): Response {
    if (keep === 'cookie') context.header('set-cookie', sessionCookie(token))
    const answer: SignedIn = { name, expiresAt, ...(keep === 'bearer' ? { token } : {}) }
    return context.json(answer)
  }

  app.post(signInPaths.password, async (context) => {
    const { keep, ...given } = await body(context, PasswordSignIn)
    return begun(context, await signIn.password(given, keep, address(context)), keep)
  })
  app.post(signInPaths.invitation, async (context) => {
    const { keep, ...given } = await body(context, InvitationAccept)
    return begun(context, await signIn.invitation(given, keep, address(context)), keep)
  })
  app.post(signInPaths.passkeyQuestion, async (context) => context.json(await passkeys.signInQuestion()))
  app.post(signInPaths.passkey, async (context) =>
    begun(context, await signIn.passkey(await body(context, PasskeySignIn), address(context)), 'cookie'),
  )

  app.get(signInPaths.signOn, async (context) => {
    if (signOn === undefined) return refuse(context, problem('NOT_FOUND', 'No sign-on is set up.'))
    const { url, challenge } = await signOn.begin()
    context.header('set-cookie', signOnCookie(challenge))
    return context.redirect(url)
  })
  app.get(signInPaths.signOnReturn, async (context) => {
    context.header('set-cookie', signOnCookie('', '; Max-Age=0'))
    try {
      const challenge = cookieIn(context.req.raw.headers, SIGN_ON_COOKIE) ?? ''
      const { token } = await signIn.signOn(challenge, new URL(context.req.url), address(context))
      context.header('set-cookie', sessionCookie(token), { append: true })
      return context.redirect(signInPaths.page)
    } catch (error) {
      // A person looks at this answer.
      const { title, detail } = problemOf(error, log, 'sign-on')
      const language = languageOf(context.req.header('accept-language') ?? null)
      return context.html(page.html(language, siteName, `${title}. ${detail}`), 401)
    }
  })

  app.post(signInPaths.out, async (context) => {
    const bearer = /^Bearer ([A-Za-z0-9_-]{1,200})$/.exec(context.req.header('authorization') ?? '')?.[1]
    const token = bearer ?? cookieIn(context.req.raw.headers, SESSION_COOKIE)
    if (token !== undefined) await sessions.end(token)
    context.header('set-cookie', NO_SESSION_COOKIE)
    return context.json({})
  })

  app.notFound((context) => refuse(context, problem('NOT_FOUND', 'There is nothing here.')))
  app.onError((error, context) => refuse(context, problemOf(error, log, `sign-in ${context.req.path}`)))
  return app
}
