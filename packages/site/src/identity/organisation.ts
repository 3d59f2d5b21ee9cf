/**
 * The organisation's own PKI: which of its authorities the site trusts, their revocation lists, and what
 * a certificate of it is worth when a computer enrols.
 *
 *   O1. The certificate proves the computer once, at enrolment: the device then has a certificate of the site,
 *       and gateways know one kind of device. What the PKI revokes later is revoked here too (`sweep`).
 *   O2. With the check on, every authority on the way to the root needs a list that is up to date, for who
 *       registers and for who renews: no list, no admission.
 *   O3. A list only ever takes the place of an older one.
 *   O4. Lists are fetched from where an administrator said, never from an address in a certificate that
 *       somebody sent.
 */
import { createPublicKey, verify } from 'node:crypto'
import {
  type DeviceId,
  type EnrolmentRequest,
  fail,
  MAX_CRL_BYTES,
  type OrganisationAuthority,
  type OrganisationAuthorityAdd,
  OrganisationSettings,
  ok,
  organisationProofText,
  ProblemError,
  type Result,
  type Sha256,
  type SiteId,
} from '@sluice/protocol'
import type { Kysely, Selectable } from 'kysely'
import { sha256 } from '../catalogue/metadata.ts'
import { type Clock, timestamp } from '../clock.ts'
import type { Database, Db } from '../db/database.ts'
import type { OrganisationTables } from '../db/schema/organisation.ts'
import type { Log } from '../log.ts'
import { authorityFault, isSignedBy, readCertificate, refused, verifyChain } from './certificate-chain.ts'
import { readRevocationList } from './revocation-list.ts'
import { SubjectAlternativeNameExtension, X509Certificate } from './x509.ts'

const MAX_AUTHORITIES = 50
const FETCH_INTERVAL_MS = 3600_000
const FETCH_TIMEOUT_MS = 30_000
const SETTINGS: OrganisationSettings = { registration: 'off', checkCrl: true, names: ['*'] }

/** A certificate of the PKI that is good for a device. */
export interface Registration {
  registration: 'pending' | 'automatic'
  issuerId: Sha256
  serial: string
  name: string
}

export interface Organisation {
  authorities(): Promise<OrganisationAuthority[]>
  /** `BAD_REQUEST`, `CONFLICT` */
  add(request: OrganisationAuthorityAdd): Promise<OrganisationAuthority>
  /** `NOT_FOUND`; `CONFLICT` while another one stands on it */
  remove(id: Sha256): Promise<void>
  /** Devices whose certificates it lists are shut out. `BAD_REQUEST`, `CONFLICT` for an older one (O3) */
  setCrl(id: Sha256, bytes: Uint8Array): Promise<OrganisationAuthority>
  settings(): Promise<OrganisationSettings>
  setSettings(settings: OrganisationSettings): Promise<OrganisationSettings>
  /** What comes with an enrolment. `ORGANISATION_CERTIFICATE_REFUSED` */
  check(organisation: NonNullable<EnrolmentRequest['organisation']>, csr: string): Promise<Result<Registration>>
  /** In the transaction that enrols: remembers by what the device registered. */
  remember(db: Db, deviceId: DeviceId, by: Registration): Promise<void>
  /** O2, for a device that registered so. @throws ProblemError `ORGANISATION_CERTIFICATE_REFUSED` */
  requireGood(deviceId: DeviceId): Promise<void>
  /** Fetches lists now and every hour; ends with what it returns. */
  keepLists(): () => void
}

type Row = Selectable<OrganisationTables['organisation_authorities']>

export function createOrganisation(options: {
  db: Kysely<Database>
  siteId: SiteId
  clock: Clock
  log: Log
  /** Shuts a device out for good. */
  revoke(id: DeviceId): Promise<unknown>
}): Organisation {
  const { db, siteId, clock, log, revoke } = options
  const rows = () => db.selectFrom('organisation_authorities').selectAll().orderBy('subject').orderBy('id').execute()

  async function find(id: Sha256): Promise<Row> {
    const found = (await rows()).find((row) => row.id === id)
    return found ?? fail('NOT_FOUND', `There is no authority ${id}.`)
  }

  async function settings(): Promise<OrganisationSettings> {
    const row = await db.selectFrom('organisation_settings').select('document').executeTakeFirst()
    return row === undefined ? SETTINGS : OrganisationSettings.parse(JSON.parse(row.document))
  }

  /** Whether each of a chain is still good for the one below it. @param serials of these, the device's first */
  async function crlFault(issuers: readonly Row[], serials: readonly string[]): Promise<string | undefined> {
    for (const [index, row] of issuers.entries()) {
      if (row.crl === null || row.crl_next_update === null) return 'There is no revocation list of its authority.'
      if (row.crl_next_update <= clock.now()) return 'The revocation list of its authority is out of date.'
      const list = await readRevocationList(row.crl, new X509Certificate(row.certificate))
      if (!list.ok) return list.problem.detail
      if (list.value.isRevoked(serials[index] ?? '')) return 'It was revoked.'
    }
    return undefined
  }

  async function chainOf(leaf: X509Certificate): Promise<Result<Row[]>> {
    const known = (await rows()).map((row) => ({
      row,
      certificate: new X509Certificate(row.certificate),
      root: row.root === 1,
    }))
    const chain = await verifyChain(leaf, known, clock.now())
    return chain.ok ? ok(chain.value.map(({ row }) => row)) : chain
  }

  const serialOf = (row: Row) => new X509Certificate(row.certificate).serialNumber

  /** O1 */
  async function sweep(): Promise<void> {
    const { checkCrl } = await settings()
    if (!checkCrl) return
    const all = await rows()
    const devices = await db
      .selectFrom('organisation_certificates as registered')
      .innerJoin('devices', 'devices.id', 'registered.device_id')
      .select(['registered.device_id', 'registered.issuer_id', 'registered.serial'])
      .where('devices.state', '!=', 'revoked')
      .execute()
    for (const row of all) {
      if (row.crl === null) continue
      const list = await readRevocationList(row.crl, new X509Certificate(row.certificate))
      if (!list.ok) continue
      const own = new X509Certificate(row.certificate)
      const fallen = new Set<Sha256>()
      for (const one of all)
        if (one.id !== row.id && list.value.isRevoked(serialOf(one)))
          if (await isSignedBy(new X509Certificate(one.certificate), own)) fallen.add(one.id)
      for (const { device_id, issuer_id, serial } of devices) {
        if (!(fallen.has(issuer_id) || (issuer_id === row.id && list.value.isRevoked(serial)))) continue
        log.warn('the certificate by which a device registered was revoked', { deviceId: device_id })
        await revoke(device_id)
      }
    }
  }

  async function setCrl(id: Sha256, bytes: Uint8Array): Promise<OrganisationAuthority> {
    const row = await find(id)
    const list = await readRevocationList(bytes, new X509Certificate(row.certificate))
    if (!list.ok) throw new ProblemError(list.problem)
    const { issuedAt, nextUpdate } = list.value
    const { numUpdatedRows } = await db
      .updateTable('organisation_authorities')
      .set({ crl: list.value.bytes, crl_issued_at: issuedAt, crl_next_update: nextUpdate, crl_fault: null })
      .where('id', '=', id)
      .where((eb) => eb.or([eb('crl_issued_at', 'is', null), eb('crl_issued_at', '<=', issuedAt)]))
      .executeTakeFirst()
    if (numUpdatedRows === 0n) fail('CONFLICT', 'The site has a newer list of this authority.') // O3
    await sweep()
    return info(await find(id))
  }

  /** O4 */
  async function fetchLists(): Promise<void> {
    for (const { id, crl_url } of await rows()) {
      if (crl_url === null) continue
      try {
        const answer = await fetch(crl_url, { redirect: 'error', signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) })
        if (!answer.ok || answer.body === null) throw new Error(`HTTP ${answer.status}`)
        await setCrl(id, await bounded(answer.body))
      } catch (error) {
        const fault = error instanceof Error ? error.message : String(error)
        log.warn('a revocation list could not be fetched', { authority: id, url: crl_url, fault })
        await db.updateTable('organisation_authorities').set({ crl_fault: fault }).where('id', '=', id).execute()
      }
    }
    await sweep()
  }

  function info(row: Row): OrganisationAuthority {
    return {
      id: row.id,
      subject: row.subject,
      root: row.root === 1,
      expiresAt: timestamp(row.expires_at),
      ...(row.crl_url === null ? {} : { crlUrl: row.crl_url }),
      ...(row.crl_issued_at === null || row.crl_next_update === null
        ? {}
        : {
            crl: {
              issuedAt: timestamp(row.crl_issued_at),
              nextUpdate: timestamp(row.crl_next_update),
              expired: row.crl_next_update <= clock.now(),
            },
          }),
      ...(row.crl_fault === null ? {} : { crlFault: row.crl_fault }),
    }
  }

  return {
    authorities: async () => (await rows()).map(info),
    settings,
    async setSettings(next) {
      const document = JSON.stringify(next)
      await db
        .insertInto('organisation_settings')
        .values({ id: 1, document })
        .onConflict((conflict) => conflict.column('id').doUpdateSet({ document }))
        .execute()
      return await settings()
    },
    async add({ certificate: pem, crlUrl }) {
      const read = readCertificate(pem)
      if (!read.ok) return fail('BAD_REQUEST', read.problem.detail)
      const certificate = read.value
      const fault = authorityFault(certificate)
      if (fault !== undefined) fail('BAD_REQUEST', `This is no authority that can be trusted: ${fault}.`)
      const root = await isSignedBy(certificate, certificate)
      const present = await rows()
      if (present.length >= MAX_AUTHORITIES) fail('CONFLICT', `There are ${MAX_AUTHORITIES} authorities already.`)
      if (!root) {
        const above = await Promise.all(
          present.map((row) => isSignedBy(certificate, new X509Certificate(row.certificate))),
        )
        if (!above.includes(true))
          fail('CONFLICT', `Add the authority ${certificate.issuer} first: it signed this one.`)
      }
      const id = sha256(new Uint8Array(certificate.rawData))
      if (present.some((row) => row.id === id)) fail('CONFLICT', 'This authority is here already.')
      await db
        .insertInto('organisation_authorities')
        .values({
          ...{ id, certificate: certificate.toString('pem'), subject: certificate.subject, root: root ? 1 : 0 },
          ...{ expires_at: certificate.notAfter.getTime(), crl_url: crlUrl ?? null },
          ...{ crl: null, crl_issued_at: null, crl_next_update: null, crl_fault: null },
        })
        .execute()
      if (crlUrl !== undefined) await fetchLists()
      return info(await find(id))
    },
    async remove(id) {
      const row = await find(id)
      const own = new X509Certificate(row.certificate)
      for (const other of await rows())
        if (other.id !== id && (await isSignedBy(new X509Certificate(other.certificate), own)))
          fail('CONFLICT', `Remove ${other.subject} first: it stands on this one.`)
      await db.deleteFrom('organisation_authorities').where('id', '=', id).execute()
    },
    setCrl,

    async check({ certificate: pem, proof }, csr) {
      const { registration, checkCrl, names } = await settings()
      if (registration === 'off') return refused('The site does not take certificates of an organisation.')
      const read = readCertificate(pem)
      if (!read.ok) return read
      const leaf = read.value
      const chain = await chainOf(leaf)
      if (!chain.ok) return chain
      if (!hasProof(leaf, organisationProofText(siteId, csr), proof))
        return refused('It does not come from who has its key.')
      if (checkCrl) {
        const fault = await crlFault(chain.value, [leaf.serialNumber, ...chain.value.map(serialOf)])
        if (fault !== undefined) return refused(fault) // O2
      }
      const name = namesOf(leaf).find((one) => names.some((pattern) => matches(pattern, one)))
      const [issuer] = chain.value
      if (name === undefined || issuer === undefined) return refused('It has no name that stands for a device here.')
      return ok({ registration, issuerId: issuer.id, serial: leaf.serialNumber, name })
    },
    async remember(trx, deviceId, { issuerId, serial, name }) {
      const columns = { issuer_id: issuerId, serial, name }
      await trx
        .insertInto('organisation_certificates')
        .values({ device_id: deviceId, ...columns })
        .onConflict((conflict) => conflict.column('device_id').doUpdateSet(columns))
        .execute()
    },
    async requireGood(deviceId) {
      const by = await db
        .selectFrom('organisation_certificates')
        .selectAll()
        .where('device_id', '=', deviceId)
        .executeTakeFirst()
      if (by === undefined || !(await settings()).checkCrl) return
      const issuer = (await rows()).find((row) => row.id === by.issuer_id)
      if (issuer === undefined)
        return fail('ORGANISATION_CERTIFICATE_REFUSED', 'The site no longer trusts the authority of its certificate.')
      const above = issuer.root === 1 ? ok([]) : await chainAbove(issuer)
      if (!above.ok) throw new ProblemError(above.problem)
      const issuers = [issuer, ...above.value]
      const fault = await crlFault(issuers, [by.serial, ...issuers.map(serialOf)])
      if (fault !== undefined) fail('ORGANISATION_CERTIFICATE_REFUSED', fault)
    },
    keepLists() {
      const look = () =>
        fetchLists().catch((error: unknown) => log.error('revocation lists could not be looked after', { error }))
      const timer = setInterval(() => void look(), FETCH_INTERVAL_MS)
      timer.unref()
      void look()
      return () => clearInterval(timer)
    },
  }

  async function chainAbove(row: Row): Promise<Result<Row[]>> {
    const all = await rows()
    const found: Row[] = []
    for (let current = row; current.root === 0 && found.length < MAX_AUTHORITIES; ) {
      const certificate = new X509Certificate(current.certificate)
      const signed = await Promise.all(all.map((one) => isSignedBy(certificate, new X509Certificate(one.certificate))))
      const issuer = all[signed.indexOf(true)]
      if (issuer === undefined) return refused('The site no longer trusts the authority above its own.')
      found.push(issuer)
      current = issuer
    }
    return ok(found)
  }
}

/** ECDSA or RSA with SHA-256, Ed25519. */
function hasProof(leaf: X509Certificate, text: string, proof: string): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(leaf.publicKey.rawData), format: 'der', type: 'spki' })
    const algorithm = key.asymmetricKeyType === 'ed25519' ? null : 'sha256'
    return verify(algorithm, Buffer.from(text), key, Buffer.from(proof, 'base64'))
  } catch {
    return false
  }
}

/** DNS names; without any, the common name. */
function namesOf(leaf: X509Certificate): string[] {
  const alternative = leaf.getExtension(SubjectAlternativeNameExtension)?.names.items ?? []
  const dns = alternative.filter(({ type }) => type === 'dns').map(({ value }) => value)
  return dns.length > 0 ? dns : leaf.subjectName.getField('CN')
}

/** `*` stands for any text. */
function matches(pattern: string, name: string): boolean {
  const parts = pattern.toLowerCase().split('*')
  const text = name.toLowerCase()
  const [first = '', ...rest] = parts
  if (rest.length === 0) return text === first
  const last = rest.pop() ?? ''
  if (!text.startsWith(first)) return false
  let at = first.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return text.length - last.length >= at && text.endsWith(last)
}

async function bounded(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of body) {
    length += part.length
    if (length > MAX_CRL_BYTES) throw new Error(`the list is longer than ${MAX_CRL_BYTES} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}
