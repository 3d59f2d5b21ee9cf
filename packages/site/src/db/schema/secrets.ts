/** Secrets as the site keeps them: sealed, with the record of every reveal. */
import type { DeviceId, RunId } from '@sluice/protocol'

export interface SecretsTables {
  /** One row, `id` = 1: which key seals; the key itself is in a file. */
  vault: { id: 1; key_id: string }
  secrets: {
    name: string
    /** By the vault, for `secret/<name>`. */
    sealed: string
    created_at: number
    changed_at: number
  }
  /** What the site proves itself with elsewhere. */
  site_credentials: {
    /** As in `storage/dp_…`. */
    name: string
    /** By the vault, for `credentials/<name>`. */
    sealed: string
    changed_at: number
  }
  /** One row an attempt and secret: there is no second reveal. */
  secret_reveals: {
    device_id: DeviceId
    run_id: RunId
    attempt: string
    name: string
    /** Of the question: the same one again is the same reveal. */
    nonce: string
    revealed_at: number
  }
}
