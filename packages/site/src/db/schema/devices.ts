/** Devices, their certificates, and the tokens that let them in. */
import type { DeviceId, GatewayId, Sha256, TokenId } from '@sluice/protocol'
import type { GeneratedAlways } from 'kysely'

export interface DevicesTables {
  devices: {
    id: DeviceId
    state: 'pending' | 'approved' | 'revoked'
    /** SHA-256 of the public key (SPKI); unique. */
    fingerprint: Sha256
    /** X25519, standard base64; fixed at enrolment. */
    seal_key: string
    /** `DeviceFacts` as JSON. */
    facts: string
    /** `AgentInfo` as JSON. */
    agent: string
    enrolled_at: number
    last_seen_at: number | null
    last_gateway_id: GatewayId | null
    /** Address from which it came. */
    enrolled_from: string | null
    /** Usable UUID of its firmware, in small letters. */
    hardware: string | null
    /** Lives of its agent, as `conflicts.ts` keeps them; JSON. */
    agents: string | null
    /** Two computers use its identity. */
    blocked_at: number | null
    /** Host name in small letters, made of `facts` by the database. */
    name: GeneratedAlways<string | null>
  }
  /** Open ones only. */
  device_conflicts: {
    device_id: DeviceId
    kind: 'reenrolled' | 'cloned'
    /** The record that has the same hardware. */
    other_id: DeviceId | null
    detail: string
    since: number
  }
  /** Keys of devices that have another one by now: never let in again. */
  retired_keys: { fingerprint: Sha256; device_id: DeviceId; retired_at: number }
  /** One row, `id` = 1. */
  conflict_rule: { id: 1; rule: 'ask' | 'merge' | 'new' }
  device_certificates: {
    /** SHA-256 of the DER bytes. */
    hash: Sha256
    device_id: DeviceId
    /** Hexadecimal. */
    serial: string
    issued_at: number
    expires_at: number
    revoked_at: number | null
  }
  enrolment_tokens: {
    id: TokenId
    /** SHA-256 of the token; unique. */
    token_hash: Sha256
    uses: number
    used: number
    created_at: number
    expires_at: number
    blocked_at: number | null
  }
  token_uses: { token_id: TokenId; device_id: DeviceId; used_at: number }
}
