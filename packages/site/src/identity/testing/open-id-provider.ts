/** A real OpenID provider on loopback, and people who sign in there as with a browser, for tests. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider from 'oidc-provider'

export interface Person {
  email?: string
  email_verified?: boolean
  name?: string
  groups?: string[]
}

export interface TestProvider {
  issuer: string
  /** Opens the address that the device shows, signs in there as `subject`, and agrees (or says no). */
  signIn(verificationUriComplete: string, subject: string, how?: 'agree' | 'deny'): Promise<string>
  close(): void
}

export const CLIENT_SECRET = 'the secret of the site at the provider'

/** @param people by subject */
export async function startProvider(people: Record<string, Person>): Promise<TestProvider> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'sluice-devices',
        client_secret: CLIENT_SECRET,
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
        response_types: [],
        redirect_uris: [],
      },
    ],
    cookies: { keys: ['of this test'] },
    features: { deviceFlow: { enabled: true } },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
    findAccount: (_, sub) => ({ accountId: sub, claims: async () => ({ sub, ...people[sub] }) }),
  })
  server.on('request', provider.callback())
  return {
    issuer,
    signIn: (address, subject, how = 'agree') => visitProvider(address, subject, how),
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Just enough of a browser: cookies, redirects, and the forms that the provider shows. @returns its last page */
async function visitProvider(address: string, subject: string, how: 'agree' | 'deny'): Promise<string> {
  const jar = new Map<string, string>()
  let next: { url: string; form?: Record<string, string> } = { url: address }
  for (let hops = 0; hops < 20; hops++) {
    const headers = { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') }
    const sent = next.form === undefined ? {} : { method: 'POST', body: new URLSearchParams(next.form) }
    const answer: Response = await fetch(next.url, { headers, redirect: 'manual', ...sent })
    for (const line of answer.headers.getSetCookie()) {
      const [name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line)?.slice(1) ?? []
      if (value === '' || /expires=Thu, 01 Jan 1970/i.test(line)) jar.delete(name)
      else jar.set(name, value)
    }
    const location = answer.headers.get('location')
    const page = await answer.text()
    if (next.form?.abort !== undefined) return page
    if (location !== null) {
      next = { url: new URL(location, next.url).href }
      continue
    }
    const action = /<form[^>]*action="([^"]+)"/.exec(page)?.[1]
    if (action === undefined) return page
    const form = Object.fromEntries(
      [...page.matchAll(/<input[^>]*type="hidden"[^>]*name="(\w+)"[^>]*value="([^"]*)"/g)].map(([, name, value]) => [
        name ?? '',
        value ?? '',
      ]),
    )
    if (form.prompt === 'login') Object.assign(form, { login: subject, password: 'any' })
    if (form.user_code !== undefined || form.xsrf !== undefined)
      Object.assign(form, how === 'deny' ? { abort: 'yes' } : { confirm: 'yes' })
    next = { url: new URL(action, next.url).href, form }
  }
  return assert.fail('the provider goes round in circles')
}
