/**
 * Every route of the device plane: who may call it, who answers, how much it takes. The gateway
 * builds its listeners from this table and serves nothing that is not in it; what the site answers
 * is relayed by route id, never by address.
 */
import type { z } from 'zod'
import { ContentTokenAnswer, ContentTokenRequest, ContentUrlsAnswer, ContentUrlsRequest } from './content.ts'
import {
  EnrolmentAnswer,
  EnrolmentRequest,
  RenewalAnswer,
  RenewalRequest,
  SignInAnswer,
  SignInRequest,
} from './enrolment.ts'
import { PolicyAnswer, PolicyRequest } from './policy.ts'
import { SecretAnswer, SecretRequest } from './secret.ts'
import { StatusAnswer, StatusRequest } from './status.ts'

/**
 * `anonymous`: the enrolment listener, no certificate asked for. `device`: a valid, unrevoked
 * certificate of an approved device. `deviceOrExpired`: also one that expired, for 90 days.
 */
export type IdentityClass = 'anonymous' | 'device' | 'deviceOrExpired'

export interface DeviceRoute {
  method: 'GET' | 'POST'
  /** `:name` stands for one segment of `[A-Za-z0-9._-]`, at most 200 characters. */
  path: string
  identity: IdentityClass
  answeredBy: 'gateway' | 'site'
  /** Nothing is otherwise when the site carries it out twice: a gateway may ask again where no answer came. */
  repeatable?: boolean
  /** Asked so often that a gateway sends what several devices ask as one; only where it is repeatable. */
  together?: boolean
  maxBodyBytes: number
  maxAnswerBytes: number
  request?: z.ZodType
  /** Absent: the answer is bytes. */
  answer?: z.ZodType
}

const KiB = 1024
const MiB = 1024 * KiB

/** How long an expired, unrevoked certificate still reaches routes of class `deviceOrExpired` (design §5). */
export const EXPIRED_CERTIFICATE_GRACE_MS = 90 * 24 * 3600_000

/** Bounds of every listener for devices, whatever the route. Times in milliseconds. */
export const deviceBounds = {
  /** From the first byte of a request to the end of its headers. */
  headersTimeoutMs: 10_000,
  /** From the first byte of a request to the end of its body. */
  requestTimeoutMs: 60_000,
  /** A connection on which no byte moves is closed. Longer than the time between two requests of a busy agent. */
  idleTimeoutMs: 120_000,
  /** From the connection to the end of the TLS handshake. */
  handshakeTimeoutMs: 10_000,
  /** All headers of a request together, its first line included. */
  headerBytes: 16 * KiB,
  /** How long an answer of the site may take. */
  relayTimeoutMs: 30_000,
} as const

export const deviceRoutes = {
  /** Is the gateway there. Says nothing about itself. */
  health: {
    method: 'GET',
    path: '/v1/health',
    identity: 'anonymous',
    answeredBy: 'gateway',
    maxBodyBytes: 0,
    maxAnswerBytes: KiB,
  },
  enrol: {
    method: 'POST',
    path: '/v1/enrol',
    identity: 'anonymous',
    answeredBy: 'site',
    maxBodyBytes: 64 * KiB,
    maxAnswerBytes: MiB,
    request: EnrolmentRequest,
    answer: EnrolmentAnswer,
  },
  /** The answer to it comes by `enrol`. */
  signIn: {
    method: 'POST',
    path: '/v1/enrol/sign-in',
    identity: 'anonymous',
    answeredBy: 'site',
    maxBodyBytes: 16 * KiB,
    maxAnswerBytes: 16 * KiB,
    request: SignInRequest,
    answer: SignInAnswer,
  },
  renew: {
    method: 'POST',
    path: '/v1/renew',
    identity: 'deviceOrExpired',
    answeredBy: 'site',
    maxBodyBytes: 16 * KiB,
    maxAnswerBytes: 64 * KiB,
    request: RenewalRequest,
    answer: RenewalAnswer,
  },
  policy: {
    method: 'POST',
    path: '/v1/policy',
    identity: 'device',
    answeredBy: 'site',
    repeatable: true,
    together: true,
    maxBodyBytes: 64 * KiB,
    maxAnswerBytes: 32 * MiB,
    request: PolicyRequest,
    answer: PolicyAnswer,
  },
  /** Newline-separated JSON `DeviceNotice`s, until one side ends it. One at a time for a device: the newest counts. */
  notify: {
    method: 'GET',
    path: '/v1/notify',
    identity: 'device',
    answeredBy: 'gateway',
    maxBodyBytes: 0,
    maxAnswerBytes: MiB,
  },
  /** A file of TUF metadata: `2.root.json`, `timestamp.json`, `7.snapshot.json`, … */
  catalogueMetadata: {
    method: 'GET',
    path: '/v1/catalogue/metadata/:file',
    identity: 'device',
    answeredBy: 'site',
    repeatable: true,
    maxBodyBytes: 0,
    maxAnswerBytes: 8 * MiB,
  },
  /** A target of the catalogue by its SHA-256: a sequence or a manifest root. */
  catalogueTarget: {
    method: 'GET',
    path: '/v1/catalogue/targets/:sha256',
    identity: 'device',
    answeredBy: 'site',
    repeatable: true,
    maxBodyBytes: 0,
    maxAnswerBytes: 8 * MiB,
  },
  contentToken: {
    method: 'POST',
    path: '/v1/content/token',
    identity: 'device',
    answeredBy: 'site',
    repeatable: true,
    maxBodyBytes: 64 * KiB,
    maxAnswerBytes: 4 * MiB,
    request: ContentTokenRequest,
    answer: ContentTokenAnswer,
  },
  contentUrls: {
    method: 'POST',
    path: '/v1/content/urls',
    identity: 'device',
    answeredBy: 'gateway',
    maxBodyBytes: 256 * KiB,
    maxAnswerBytes: 2 * MiB,
    request: ContentUrlsRequest,
    answer: ContentUrlsAnswer,
  },
  /** Bytes of a pack or page, at a signed address (`expires`, `signature` in the query). One range at most. */
  object: {
    method: 'GET',
    path: '/v1/objects/:kind/:hash',
    identity: 'device',
    answeredBy: 'gateway',
    maxBodyBytes: 0,
    maxAnswerBytes: 64 * MiB,
  },
  /** One secret that a step of the device's run names, sealed to the device. */
  secret: {
    method: 'POST',
    path: '/v1/secret',
    identity: 'device',
    answeredBy: 'site',
    maxBodyBytes: 4 * KiB,
    maxAnswerBytes: 64 * KiB,
    request: SecretRequest,
    answer: SecretAnswer,
  },
  status: {
    method: 'POST',
    path: '/v1/status',
    identity: 'device',
    answeredBy: 'site',
    repeatable: true,
    maxBodyBytes: 4 * MiB,
    maxAnswerBytes: 4 * KiB,
    request: StatusRequest,
    answer: StatusAnswer,
  },
} as const satisfies Record<string, DeviceRoute>

export type DeviceRouteId = keyof typeof deviceRoutes

/** Fills the parameters of a route's path. */
export function devicePath(id: DeviceRouteId, parameters: Record<string, string> = {}): string {
  return deviceRoutes[id].path.replaceAll(/:([a-z0-9]+)/g, (_, name: string) => {
    const value = parameters[name]
    if (value === undefined) throw new Error(`route ${id} needs the parameter ${name}`)
    return encodeURIComponent(value)
  })
}

const routesBySegments = (Object.entries(deviceRoutes) as [DeviceRouteId, DeviceRoute][]).map(
  ([id, { method, path }]) => ({ id, method, path, wanted: path.split('/'), isPlain: !path.includes('/:') }),
)

/**
 * Finds the route of a request, with its parameters; undefined when there is none. Only plain
 * segments match: no `..`, no escapes, no doubled slashes.
 */
export function matchDeviceRoute(
  method: string,
  path: string,
): { id: DeviceRouteId; parameters: Record<string, string> } | undefined {
  const plain = routesBySegments.find((route) => route.isPlain && route.path === path && route.method === method)
  if (plain !== undefined) return { id: plain.id, parameters: {} }
  const segments = path.split('/')
  next: for (const { id, method: itsMethod, wanted, isPlain } of routesBySegments) {
    if (isPlain || itsMethod !== method) continue
    if (wanted.length !== segments.length) continue
    const parameters: Record<string, string> = {}
    for (let i = 0; i < wanted.length; i++) {
      const want = wanted[i] as string
      const got = segments[i] as string
      if (want.startsWith(':')) {
        if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$/.test(got)) continue next
        parameters[want.slice(1)] = got
      } else if (want !== got) continue next
    }
    return { id, parameters }
  }
  return undefined
}
