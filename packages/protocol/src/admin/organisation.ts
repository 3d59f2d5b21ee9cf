/** The organisation's own PKI as administrators handle it: authorities, revocation lists, who may register by it. */
import { z } from 'zod'
import { Sha256 } from '../ids.ts'
import { type AdminRoute, plain } from './route.ts'

const Pem = z.string().min(1).max(40_000)
/** Fetched by the site itself, so an administrator says it and no certificate does. */
const CrlUrl = z.url({ protocol: /^https?$/ }).max(2000)

export const OrganisationAuthority = z.object({
  /** SHA-256 of the certificate. */
  id: Sha256,
  subject: z.string(),
  root: z.boolean(),
  expiresAt: z.iso.datetime(),
  crlUrl: z.string().optional(),
  /** The revocation list that counts; absent: none yet. */
  crl: z
    .object({
      issuedAt: z.iso.datetime(),
      nextUpdate: z.iso.datetime(),
      /** It is out of date: nobody registers by a certificate of this authority. */
      expired: z.boolean(),
    })
    .optional(),
  /** Why the last attempt to fetch one failed. */
  crlFault: z.string().optional(),
})
export type OrganisationAuthority = z.infer<typeof OrganisationAuthority>

export const OrganisationAuthorityAdd = z.strictObject({ certificate: Pem, crlUrl: CrlUrl.optional() })
export type OrganisationAuthorityAdd = z.infer<typeof OrganisationAuthorityAdd>

/** A pattern such as `*.example.com`, for a name in a certificate. */
const NamePattern = z.string().regex(/^[A-Za-z0-9*][A-Za-z0-9.*_-]{0,254}$/, 'a name such as *.example.com')

export const OrganisationSettings = z.strictObject({
  /** What a good certificate is worth: nothing, a place in the list of pending devices, or approval. */
  registration: z.enum(['off', 'pending', 'automatic']),
  /** Clients check the certificate revocation list (CRL) for site systems; without a list that is up to date nobody registers. */
  checkCrl: z.boolean(),
  /** Which names are devices: one DNS name of the certificate, or its common name, must match one of these. */
  names: z.array(NamePattern).min(1).max(100),
})
export type OrganisationSettings = z.infer<typeof OrganisationSettings>

/** Longest revocation list, in bytes. */
export const MAX_CRL_BYTES = 4 * 1024 * 1024

export const organisationRoutes = {
  organisationAuthorities: {
    method: 'GET',
    path: '/admin/v1/organisation/authorities',
    ...plain,
    answer: z.array(OrganisationAuthority),
  },
  /** A root, or an intermediate whose issuer is here already. */
  addOrganisationAuthority: {
    method: 'POST',
    path: '/admin/v1/organisation/authorities',
    ...plain,
    body: OrganisationAuthorityAdd,
    answer: OrganisationAuthority,
  },
  removeOrganisationAuthority: {
    method: 'DELETE',
    path: '/admin/v1/organisation/authorities/:id',
    ...plain,
    answer: z.object({}),
  },
  /** A list that this authority signed; an older one than the present is refused. */
  setOrganisationCrl: {
    method: 'PUT',
    path: '/admin/v1/organisation/authorities/:id/crl',
    maxBodyBytes: 2 * MAX_CRL_BYTES,
    body: z.strictObject({ crl: z.base64().max(2 * MAX_CRL_BYTES) }),
    answer: OrganisationAuthority,
  },
  organisationSettings: {
    method: 'GET',
    path: '/admin/v1/organisation/settings',
    ...plain,
    answer: OrganisationSettings,
  },
  setOrganisationSettings: {
    method: 'PUT',
    path: '/admin/v1/organisation/settings',
    ...plain,
    body: OrganisationSettings,
    answer: OrganisationSettings,
  },
} as const satisfies Record<string, AdminRoute>
