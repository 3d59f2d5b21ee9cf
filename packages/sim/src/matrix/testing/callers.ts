/** Everybody who may come to a door of the line, with what he has in his hands. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  COOKIE_HEADER,
  type CollectionId,
  connectorUri,
  type DeviceId,
  type DeviceRouteId,
  deviceUri,
  EnrolmentAnswer,
  type EnrolmentRequest,
  gatewayUri,
  problem,
  RoleName,
  type SiteId,
  signInPaths,
} from '@sluice/protocol'
import { createAuthority, openAuthority, type Purpose } from '../../../../site/src/identity/authority.ts'
import { PemConverter } from '../../../../site/src/identity/x509.ts'
import { must } from '../../administrator.ts'
import { makeCertificateRequest } from '../../certificate-request.ts'
import type { Line } from '../../line.ts'
import { ask } from './ask.ts'

export interface Credentials {
  /** PEM. */
  key: string
  cert: string
}

export const tlsCallers = [
  'nobody',
  'selfMade',
  'otherAuthority',
  'gateway',
  'connector',
  'pending',
  'neverIssued',
  'expired',
  'longExpired',
  'revoked',
  'device',
] as const
export type TlsCaller = (typeof tlsCallers)[number]

const DAY_MS = 24 * 3600_000

/** Makes them with the site's own authorities, as whoever had stolen those could. @param line that is running */
export async function makeCallers(line: Line, folder: string): Promise<Record<TlsCaller, Credentials | undefined>> {
  const { siteId } = must(await line.admin.call('site'))
  const keys = join(folder, 'line/site/keys/authorities')
  const issue = async (file: string, purpose: Purpose, uri: string, issuedAt = Date.now()): Promise<Credentials> => {
    const authority = await openAuthority(file, purpose, () => issuedAt)
    if (authority === undefined) throw new Error(`${file} is gone`)
    const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
    const names = [{ type: 'url', value: uri }] as const
    const issued = await authority.issue({
      commonName: 'x',
      names: [...names],
      publicKey: pair.publicKey,
      lifeMs: 30 * DAY_MS,
    })
    const key = PemConverter.encode(await crypto.subtle.exportKey('pkcs8', pair.privateKey), 'PRIVATE KEY')
    return { key, cert: issued.pem }
  }
  const foreign = async (name: string, uri: string) => {
    await mkdir(folder, { recursive: true })
    const file = join(folder, `${name}.pem`)
    await createAuthority(file, 'Sluice device authority', 'clientAuth', Date.now())
    return await issue(file, 'clientAuth', uri)
  }
  const own = (kind: 'device' | 'link' | 'gateway') => join(keys, `${kind}-authority.pem`)

  const device = await enrol(line, true)
  const revoked = await enrol(line, true)
  must(await line.admin.call('revokeDevice', { id: revoked.deviceId, body: {} }))
  const pending = await enrol(line, false)
  const uri = deviceUri(siteId, device.deviceId)
  const at = (daysAgo: number) => Date.now() - daysAgo * DAY_MS
  return {
    nobody: undefined,
    selfMade: await selfMade(siteId, device.deviceId, foreign),
    otherAuthority: await foreign('other', uri),
    gateway: await issue(own('gateway'), 'serverAuth', gatewayUri(siteId, line.gatewayId)),
    connector: await issue(own('link'), 'clientAuth', connectorUri(siteId)),
    // The site gave it none: this is what one would get who signs for himself with the site's authority.
    pending: await issue(own('device'), 'clientAuth', deviceUri(siteId, pending.deviceId)),
    neverIssued: await issue(own('device'), 'clientAuth', uri),
    expired: await issue(own('device'), 'clientAuth', uri, at(31)),
    longExpired: await issue(own('device'), 'clientAuth', uri, at(30 + 91)),
    revoked: revoked.credentials,
    device: device.credentials,
  }
}

/** An authority made by the caller himself, under the site's name for it. */
const selfMade = (siteId: SiteId, id: DeviceId, foreign: (name: string, uri: string) => Promise<Credentials>) =>
  foreign('self', deviceUri(siteId, id))

/** What a device says of itself. */
const self: Pick<EnrolmentRequest, 'facts' | 'agent'> = {
  facts: {
    hostname: 'caller',
    platform: 'linux',
    architecture: 'x64',
    manufacturer: 'Lodestar',
    model: 'M1',
    serialNumber: '7',
    os: { id: 'debian', name: 'Debian 12', version: '12' },
    memoryBytes: 1,
    processorMHz: 1,
  },
  agent: { version: '0.1.0', capabilities: [] },
}

/** Bodies in good form, so that the answer is about who asks. */
export async function wellFormed(): Promise<Partial<Record<DeviceRouteId, unknown>>> {
  const event = { kind: 'agentProblem', problem: problem('INTERNAL', 'A test.') }
  return {
    signIn: { csr: (await makeCertificateRequest()).csr },
    renew: { csr: (await makeCertificateRequest()).csr },
    policy: { nonce: 'a nonce of sixteen characters', ...self },
    contentToken: { contents: ['c'.repeat(64)] },
    secret: {
      ...{ deploymentId: 'dep_0123456789', runId: 'run_0123456789', attempt: '1-1', name: 'Any' },
      nonce: 'a nonce of sixteen characters',
    },
    status: { messages: [{ bootId: 'boot', seq: 1, at: new Date().toISOString(), event }] },
  }
}

export interface Enrolled {
  deviceId: DeviceId
  /** With which it enrolled, PEM. */
  csr: string
  credentials: Credentials | undefined
}

/** Enrols as an agent does, through the gateway. */
export async function enrol(line: Line, withToken: boolean): Promise<Enrolled> {
  const bundle = withToken
    ? must(await line.admin.call('createDeviceToken', { body: {} })).bundle
    : must(await line.admin.call('enrolmentBundle'))
  const { csr, key } = await makeCertificateRequest()
  const request: EnrolmentRequest = {
    csr,
    sealKey: Buffer.alloc(32, 1).toString('base64'),
    ...self,
    ...(bundle.token === undefined ? {} : { token: bundle.token }),
  }
  const { body } = await ask(line.ports.enrolment, {
    method: 'POST',
    path: '/v1/enrol',
    body: JSON.stringify(request),
    whole: true,
  })
  const answer = EnrolmentAnswer.parse(JSON.parse(body))
  if (answer.state === 'signingIn') throw new Error('nobody signs in here')
  const credentials = answer.state === 'approved' ? { key, cert: answer.certificate } : undefined
  return { deviceId: answer.deviceId, csr, credentials }
}

/** Tokens of every role, one with a scope, the one in the data folder, sessions of a person, wrong ones, and none. */
export const bearers = [
  'nobody',
  'wrongToken',
  'enrolmentToken',
  'revokedToken',
  'endedSession',
  'sessionOfOtherPage',
  'sessionWithoutHeader',
  'dataFolder',
  'session',
  'scoped',
  ...RoleName.options,
] as const
export type Bearer = (typeof bearers)[number]

/** The headers with which each comes. @param token of the data folder */
export async function makeBearers(line: Line, token: string): Promise<Record<Bearer, Record<string, string>>> {
  const { admin } = line
  const { bundle } = must(await admin.call('createDeviceToken', { body: {} }))
  const make = async (role: RoleName, collections?: CollectionId[]) => {
    const body = { name: role, roles: [role], ...(collections === undefined ? {} : { collections }) }
    return must(await admin.call('createApiToken', { body }))
  }
  const empty = must(await admin.call('createCollection', { body: { name: 'Nobody' } }))
  const revoked = await make('fullAdministrator')
  must(await admin.call('revokeApiToken', { id: revoked.info.id, body: {} }))
  const ofRoles: Partial<Record<RoleName, Record<string, string>>> = {}
  for (const role of RoleName.options) ofRoles[role] = bearer((await make(role)).token)

  // A person, as a browser would come.
  const body = { name: 'anna', roles: ['fullAdministrator' as const] }
  const invited = must(await admin.call('inviteAdministrator', { body }))
  const cookie = await signIn(line, signInPaths.invitation, { code: invited.code, password: PASSWORD })
  const ended = await signIn(line, signInPaths.password, { name: 'anna', password: PASSWORD })
  await ask(line.ports.admin, { method: 'POST', path: signInPaths.out, headers: { cookie: ended } })
  const ofPage = { cookie, [COOKIE_HEADER]: 'cookie' }
  return {
    nobody: {},
    wrongToken: bearer(`${token}x`),
    enrolmentToken: bearer(bundle.token ?? ''),
    revokedToken: bearer(revoked.token),
    endedSession: { ...ofPage, cookie: ended },
    sessionOfOtherPage: { ...ofPage, 'sec-fetch-site': 'cross-site' },
    sessionWithoutHeader: { cookie },
    dataFolder: bearer(token),
    session: { ...ofPage, 'sec-fetch-site': 'same-origin', origin: `https://127.0.0.1:${line.ports.admin}` },
    scoped: bearer((await make('fullAdministrator', [empty.id])).token),
    ...(ofRoles as Record<RoleName, Record<string, string>>),
  }
}

const PASSWORD = 'a ladder leans on the wall'
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** @returns the cookie of the session */
async function signIn(line: Line, path: string, body: Record<string, string>): Promise<string> {
  const question = { method: 'POST', path, body: JSON.stringify(body), whole: true }
  const { word, cookie } = await ask(line.ports.admin, question)
  if (cookie === undefined) throw new Error(`no session: ${word}`)
  return cookie
}
