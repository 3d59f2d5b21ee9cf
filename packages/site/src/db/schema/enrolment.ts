/** Sign-ins of people who bring in a device: the settings, those that go on, and what came of them. */
import type { DeviceId, Sha256 } from '@sluice/protocol'

export interface EnrolmentTables {
  /** One row, `id` = 1. */
  enrolment_sign_in: {
    id: 1
    /** `EnrolmentSignIn` without `hasSecret`, as JSON. */
    document: string
    /** Sealed by the vault. */
    client_secret: string | null
  }
  sign_ins: {
    handle_hash: Sha256
    /** Of the device key that began it. */
    fingerprint: Sha256
    /** From where it was begun. */
    address: string
    issuer: string
    /** The provider's, sealed by the vault. */
    device_code: string
    interval_ms: number
    /** The provider is not asked before this time. */
    ask_at: number
    expires_at: number
    /** `DeviceUser` as JSON, once somebody signed in who may let devices in. */
    person: string | null
    /** Why it came to nothing. */
    refusal: string | null
  }
  /** `DeviceUser` as JSON. */
  device_users: { device_id: DeviceId; document: string }
}
