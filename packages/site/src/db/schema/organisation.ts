/** The organisation's own PKI, and which device registered by which of its certificates. */
import type { DeviceId, Sha256 } from '@sluice/protocol'
import type { Flag } from '../types.ts'

export interface OrganisationTables {
  organisation_authorities: {
    /** SHA-256 of the DER bytes. */
    id: Sha256
    /** PEM. */
    certificate: string
    subject: string
    root: Flag
    expires_at: number
    crl_url: string | null
    /** DER; verified before it is kept. */
    crl: Uint8Array | null
    crl_issued_at: number | null
    crl_next_update: number | null
    crl_fault: string | null
  }
  /** One row, `id` = 1: `OrganisationSettings` as JSON. */
  organisation_settings: { id: 1; document: string }
  organisation_certificates: {
    device_id: DeviceId
    issuer_id: Sha256
    /** Hexadecimal. */
    serial: string
    /** That matched the settings. */
    name: string
  }
}
