/** Devices, their certificates, and the tokens that let them in. */
import type { DeviceId, GatewayId, Sha256, TokenId } from '@sluice/protocol'

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
  }
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
