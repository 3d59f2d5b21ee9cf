/** How a computer becomes a device: key and request made on the device, certificate from the site. */
import { z } from 'zod'
import { PolicyKey } from './dsse.ts'
import { AgentInfo, DeviceFacts } from './facts.ts'
import { DeviceId, GatewayId, Sha256, SiteId } from './ids.ts'

/** Where a gateway listens. */
export const GatewayAddress = z.object({
  gatewayId: GatewayId,
  name: z.string().max(255),
  kind: z.enum(['internet', 'internal']),
  /** For devices with a certificate. */
  deviceUrl: z.url(),
  /** For enrolment, without a certificate. */
  enrolmentUrl: z.url(),
})
export type GatewayAddress = z.infer<typeof GatewayAddress>

/** What the administrator gives to a device (a file), so that it can enrol. */
export const EnrolmentBundle = z.object({
  format: z.literal('sluice-enrolment/1'),
  siteId: SiteId,
  gateways: z.array(GatewayAddress).min(1).max(50),
  /** PEM of the authority that signed the gateways' server certificates; only this one is trusted. */
  gatewayAuthority: z.string().max(20_000),
  /** SHA-256 of the catalogue's first root.json: pins the keys that may release. */
  catalogueRootHash: Sha256,
  /** Single-use or counted token; without it the device waits for approval. */
  token: z.string().max(200).optional(),
})
export type EnrolmentBundle = z.infer<typeof EnrolmentBundle>

/** Raw X25519 public key, standard base64 of 32 bytes: secrets and package keys are sealed to it. */
export const SealKey = z.base64().max(64)

/** What the key of an organisation's certificate signs: the device key of this very request, for this site. */
export const organisationProofText = (siteId: SiteId, csr: string): string =>
  `sluice-organisation-enrolment/1\n${siteId}\n${csr}`

/** Names a sign-in that goes on, to the device that began it. */
export const SignInHandle = z.string().min(20).max(200)

/** Begins a sign-in of the device's user at the organisation's OpenID provider (RFC 8628); the key of the request is bound to it. */
export const SignInRequest = z.object({ csr: z.string().max(8000) })
export type SignInRequest = z.infer<typeof SignInRequest>

/** Shown on the device's terminal, whoever sent it: nothing in it steers a terminal. */
const ShownAddress = z
  .string()
  .max(2000)
  .regex(/^https?:\/\/[\x21-\x7e]+$/, 'an address to open')

/** What the user needs, and what the device asks on with. */
export const SignInAnswer = z.object({
  handle: SignInHandle,
  /** Open this address anywhere … */
  verificationUri: ShownAddress,
  /** … and type this in. */
  userCode: z
    .string()
    .min(1)
    .max(100)
    .regex(/^\P{C}+$/u, 'a code to type in'),
  /** The address with the code in it. */
  verificationUriComplete: ShownAddress.optional(),
  expiresInMs: z.int().positive(),
  retryAfterMs: z.int().positive(),
})
export type SignInAnswer = z.infer<typeof SignInAnswer>

export const EnrolmentRequest = z.object({
  token: z.string().max(200).optional(),
  /** Of a sign-in that this device's key began. */
  signIn: SignInHandle.optional(),
  /** The computer's certificate of the organisation's PKI (PEM), and by its key the signature of `organisationProofText`. */
  organisation: z.object({ certificate: z.string().max(20_000), proof: z.base64().max(2_000) }).optional(),
  /** PKCS#10 in PEM, ECDSA P-256. Subject and extensions in it are ignored. */
  csr: z.string().max(8000),
  sealKey: SealKey,
  facts: DeviceFacts,
  agent: AgentInfo,
})
export type EnrolmentRequest = z.infer<typeof EnrolmentRequest>

/** What an approved device trusts from now on. */
export const SiteTrust = z.object({
  siteId: SiteId,
  policyKeys: z.array(PolicyKey).min(1).max(8),
  /** The catalogue's root.json, byte for byte, as text. */
  catalogueRoot: z.string().max(512_000),
})
export type SiteTrust = z.infer<typeof SiteTrust>

/**
 * Asking again with the same key gives the same device: a lost answer costs no token, and a pending
 * device asks this way whether it was approved.
 */
export const EnrolmentAnswer = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('approved'),
    deviceId: DeviceId,
    /** PEM chain, the device's own certificate first. */
    certificate: z.string().max(40_000),
    trust: SiteTrust,
  }),
  z.object({
    state: z.literal('pending'),
    deviceId: DeviceId,
    /** SHA-256 of the public key (SPKI), shown to the approving administrator. */
    fingerprint: Sha256,
    retryAfterMs: z.int().positive(),
  }),
  /** To a request with `signIn` only: the user has not finished it yet. */
  z.object({ state: z.literal('signingIn'), retryAfterMs: z.int().positive() }),
])
export type EnrolmentAnswer = z.infer<typeof EnrolmentAnswer>

export const RenewalRequest = z.object({ csr: z.string().max(8000) })
export type RenewalRequest = z.infer<typeof RenewalRequest>
export const RenewalAnswer = z.object({ certificate: z.string().max(40_000) })
export type RenewalAnswer = z.infer<typeof RenewalAnswer>

/** URI in the subject alternative name of a device certificate. */
export const deviceUri = (siteId: SiteId, deviceId: DeviceId): string => `urn:sluice:${siteId}:device:${deviceId}`
