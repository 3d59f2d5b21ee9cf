import { existsSync } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { writeFileAtomic } from '@sluice/content'
import { fail, type Problem, ProblemError, readProblem, SignedIn, signInPaths } from '@sluice/protocol'
import type { Command } from 'commander'
import { failLocally } from '../local-failure.ts'
import type { Endpoint, Session } from '../run.ts'

export function addSignInCommands(program: Command, session: Session): void {
  program
    .command('login')
    .description('signs in with name and password, and keeps the session for the commands that follow')
    .argument('[name]', 'asked for when absent')
    .option('--invited', 'sets a password, with the code of an invitation')
    .action(async (given: string | undefined, { invited }: { invited?: true }): Promise<void> => {
      const { ask, askSecret, signal } = session
      if (ask === undefined || askSecret === undefined)
        return failLocally('There is no terminal to ask at. Programs use a token: --token-file.')
      using site = await session.endpoint()
      if (site.sessionFile === undefined) return failLocally('There is no home folder to keep the session in.')
      const asked = async (what: string, hidden = false) =>
        (await (hidden ? askSecret : ask)(`${what}: `, signal)).trim()

      if (invited === true) {
        // Asked for: what stands in a command line, everybody on the machine can read.
        const code = await asked('Code of the invitation', true)
        const password = await asked('New password, at least 12 characters', true)
        if (password !== (await asked('Once more', true))) failLocally('The two are not the same.')
        const named = given === undefined ? {} : { name: given }
        return await keep(session, site, await send(site, signInPaths.invitation, { code, password, ...named }, signal))
      }
      const name = given ?? (await asked('Name'))
      const body = { name, password: await asked('Password', true) }
      let answer = await send(site, signInPaths.password, body, signal)
      if (!answer.ok && answer.problem.code === 'SECOND_FACTOR_NEEDED')
        answer = await send(site, signInPaths.password, { ...body, code: await asked('Code') }, signal)
      await keep(session, site, answer)
    })

  program
    .command('logout')
    .description('ends the session of `sluice login`')
    .action(async (): Promise<void> => {
      using site = await session.endpoint()
      const { sessionFile } = site
      if (sessionFile === undefined || !existsSync(sessionFile)) return failLocally('You are not signed in.')
      const token = (await readFile(sessionFile, 'utf8')).trim()
      await site.fetch(new URL(signInPaths.out, site.url), {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        signal: session.signal,
      })
      await rm(sessionFile, { force: true })
      session.out.result({}, () => ['Signed out.'])
    })
}

type Answer = { ok: true; value: SignedIn } | { ok: false; problem: Problem }

async function send(site: Endpoint, path: string, body: object, signal: AbortSignal): Promise<Answer> {
  const response = await site
    .fetch(new URL(path, site.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...body, keep: 'bearer' }),
      signal,
    })
    .catch((error: Error) => {
      const cause = error.cause instanceof Error ? error.cause.message : error.message
      return fail('UNREACHABLE', `${site.url}: ${cause}`)
    })
  const value: unknown = await response.json().catch(() => undefined)
  if (!response.ok) return { ok: false, problem: readProblem(value, response.status) }
  const parsed = SignedIn.safeParse(value)
  return parsed.success ? { ok: true, value: parsed.data } : fail('BAD_ANSWER', 'The answer has no session.')
}

async function keep(session: Session, site: Endpoint, answer: Answer): Promise<void> {
  if (!answer.ok) throw new ProblemError(answer.problem)
  const { name, token, expiresAt } = answer.value
  if (token === undefined || site.sessionFile === undefined) return failLocally('The site gave no session.')
  await mkdir(dirname(site.sessionFile), { recursive: true, mode: 0o700 })
  await writeFileAtomic(site.sessionFile, `${token}\n`)
  session.out.result({ name, expiresAt }, () => [`Signed in as ${name}, at most until ${expiresAt}.`])
}
