/** What may run and who shall run it: the catalogue, sequences, deployments, and policy as it was sent. */
import type { CollectionId, DeploymentId, DeviceId, NetworkLocation, RunId, SequenceId, Sha256 } from '@sluice/protocol'
import type { Flag } from '../types.ts'

export interface DeploymentsTables {
  /** Published metadata under the name that devices ask for; write-once but for `timestamp.json`. */
  catalogue_metadata: {
    name: string
    /** TUF role, as in `snapshot` or `bin-7`. */
    role: string
    version: number
    bytes: Uint8Array
    sha256: Sha256
    length_bytes: number
    expires_at: number
    /** When a newer version took its place; such rows are dropped once no device can ask for them. */
    superseded_at: number | null
  }
  /** What is released, for ever. */
  catalogue_targets: {
    name: string
    /** The role that lists it. */
    bin: string
    sha256: Sha256
    length_bytes: number
    released_at: number
  }
  /** What waits for the release key, in offline mode. */
  catalogue_drafts: {
    name: string
    sha256: Sha256
    length_bytes: number
    offered_at: number
  }
  /** The bytes of targets, each once. */
  catalogue_blobs: { sha256: Sha256; bytes: Uint8Array }

  sequences: { id: SequenceId /** Unique. */; name: string /** The newest. */; revision: number }
  sequence_revisions: {
    sequence_id: SequenceId
    revision: number
    /** Name in the catalogue; a draft until it is released. */
    target: string
    sha256: Sha256
    /** Canonical JSON: the bytes that are released. */
    document: string
    /** Canonical JSON of what was applied; null: it runs no other sequence, or was applied before this was kept. */
    applied: string | null
    /** The revisions that were put in, as a JSON array; null as `applied`. */
    children: string | null
    description: string | null
    /** `PackageId`s as a JSON array: everything referenced by id, candidates included. */
    packages: string
    /** `LabelQuery`s as a JSON array, one for each place; null: no step asks for packages by labels. */
    candidates: string | null
    steps: number
    downloads_package_content: Flag
    /** Texts as a JSON array. */
    warnings: string
    created_at: number
  }

  deployments: {
    id: DeploymentId
    revision: number
    sequence_id: SequenceId
    collection_id: CollectionId
    /** `DeploymentSettings` as JSON. */
    settings: string
    created_at: number
    changed_at: number
    /** Who made it or changed it last; null: made before anybody was asked. */
    author: string | null
    /** Who agreed to it, when more devices are meant than one person may reach. */
    approved_by: string | null
    /** SHA-256 of what was agreed to. */
    approved_digest: Sha256 | null
  }
  /** When a deployment needs a second person; one row. */
  approval_rule: {
    id: number
    /** Deployments to more devices than this need it; null: none does. */
    above_devices: number | null
    /** A looser rule that somebody asked for, as JSON; it counts when another one asks for it too. */
    proposed: string | null
    proposed_by: string | null
  }
  /** What devices said about a deployment; no row: nothing yet. */
  deployment_devices: {
    deployment_id: DeploymentId
    device_id: DeviceId
    state: 'offered' | 'refused' | 'running' | 'succeeded' | 'failed' | 'cancelled'
    /** `Problem`s as a JSON array: what the device itself found. */
    refusals: string
    /** Of the run that goes on or that ended last. */
    run_id: RunId | null
    /** The run that an administrator wants to end; another run of the device goes on. */
    cancel_run_id: RunId | null
    /** The run that shall rest. */
    pause_run_id: RunId | null
    /** The run that shall go on, also where its user let it rest. */
    resume_run_id: RunId | null
    /** The user lets the running run rest, until then at the latest. */
    user_paused_until: number | null
    /** `ContentId`s as a JSON array: what the running run may fetch, whatever changes meanwhile. */
    run_contents: string | null
    run_started_at: number | null
    /** `RunReport` as JSON. */
    report: string | null
    changed_at: number
  }

  /** The policy body that a device was sent last. */
  policy_bodies: {
    device_id: DeviceId
    seq: number
    body_hash: Sha256
    /** `Envelope` as JSON. */
    envelope: string
    signed_at: number
    /** What it was made of: as long as all three are as they were, it is what the device shall have. */
    facts_revision: number | null
    location: NetworkLocation | null
    key_id: string | null
  }
}
