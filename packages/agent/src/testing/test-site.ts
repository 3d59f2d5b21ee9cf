/**
 * A site for tests of the agent, behind a test gateway: it enrols, signs a real catalogue (TUF) and
 * real policy (DSSE), and takes status messages. What it offers is decided by the test.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { TestContext } from 'node:test'
import {
  type CatalogueReference,
  ClientSettings,
  DeploymentId,
  DeploymentSettings,
  type DeviceId,
  type EnrolmentBundle,
  type EnrolmentRequest,
  type Envelope,
  POLICY_BODY_TYPE,
  POLICY_HEAD_TYPE,
  POLICY_KEYS_FIELD,
  type PolicyAnswer,
  PolicyBody,
  type PolicyDeployment,
  type PolicyRequest,
  preAuthEncoding,
  problem,
  Sequence,
  Sha256,
  type StatusMessage,
  StatusRequest,
  writeSignedJson,
} from '@sluice/protocol'
import {
  Key,
  Metadata,
  MetadataKind,
  MetaFile,
  Root,
  Signature,
  Snapshot,
  TargetFile,
  Targets,
  Timestamp,
} from '@tufjs/models'
import { createTestAuthority } from './test-authority.ts'
import { testCertificateOf, testDeviceId, testSiteId } from './test-device.ts'
import { startTestGateway, type TestGateway } from './test-gateway.ts'

export interface TestSite {
  gateway: TestGateway
  bundle: EnrolmentBundle
  /** What policy says; changes count from the next poll. */
  body: PolicyBody
  /** Makes the catalogue list these bytes. */
  release(target: string, bytes: Uint8Array): CatalogueReference
  /** Takes it off the list; the answer puts it back. */
  withdraw(target: string): () => void
  /** Releases a sequence and puts a deployment of it into the body. */
  deploy(settings?: Partial<DeploymentSettings>, sequence?: Partial<Sequence>): PolicyDeployment
  /** Status messages in the order of arrival, each once. */
  messages: StatusMessage[]
  /** How often policy was asked for. */
  polls(): number
}

const DAY_MS = 24 * 3600_000

export async function startTestSite(t: TestContext): Promise<TestSite> {
  const deviceAuthority = createTestAuthority()
  const catalogueKey = makeKey()
  const policyKey = makeKey()
  const root = rootOf(catalogueKey, policyKey)
  const files = new Map<string, Uint8Array>()
  const targets = new Map<string, { reference: CatalogueReference; bytes: Uint8Array }>()
  const messages: StatusMessage[] = []
  const seen = new Set<string>()
  let version = 0
  let seq = 0
  let lastBody = ''
  let polls = 0

  const publish = () => {
    version++
    for (const [name, bytes] of catalogueOf(
      catalogueKey,
      version,
      [...targets.values()].map(({ reference }) => reference),
    ))
      files.set(name, bytes)
  }

  function policy({ nonce, knownBodyHash }: PolicyRequest): PolicyAnswer {
    const bytes = writeSignedJson(site.body)
    const bodyHash = sha256(bytes)
    if (bodyHash !== lastBody) seq++
    lastBody = bodyHash
    const head = {
      v: 1,
      minReader: 1,
      crit: [],
      deviceId: testDeviceId,
      epoch: 1,
      seq,
      bodyHash,
      now: new Date().toISOString(),
      nonce,
      expiresAt: new Date(Date.now() + DAY_MS).toISOString(),
    }
    return {
      head: policyKey.envelope(POLICY_HEAD_TYPE, writeSignedJson(head)),
      ...(knownBodyHash === bodyHash ? {} : { body: policyKey.envelope(POLICY_BODY_TYPE, bytes) }),
    }
  }

  const gateway = await startTestGateway(t, {
    enrol: ({ body }) => ({
      json: {
        state: 'approved',
        deviceId: testDeviceId,
        certificate: testCertificateOf(deviceAuthority, (body as EnrolmentRequest).csr),
        trust: { siteId: testSiteId, policyKeys: [policyKey.listed], catalogueRoot: root },
      },
    }),
    policy: ({ body }) => {
      polls++
      return { json: policy(body as PolicyRequest) }
    },
    catalogueMetadata: ({ parameters: { file = '' } }) => {
      const bytes = files.get(file)
      return bytes === undefined ? { problem: problem('NOT_FOUND', file) } : { bytes }
    },
    catalogueTarget: ({ parameters }) => {
      const found = [...targets.values()].find(({ reference }) => reference.sha256 === parameters.sha256)
      return found === undefined ? { problem: problem('NOT_FOUND', 'no such target') } : { bytes: found.bytes }
    },
    status: ({ body }) => {
      for (const message of StatusRequest.parse(body).messages) {
        const name = `${message.bootId} ${message.seq}`
        if (!seen.has(name)) messages.push(message)
        seen.add(name)
      }
      return { json: { accepted: 0 } }
    },
  })
  publish()

  const site: TestSite = {
    gateway,
    bundle: {
      format: 'sluice-enrolment/1',
      siteId: testSiteId,
      gateways: [gateway.address],
      gatewayAuthority: gateway.authority.certificate,
      catalogueRootHash: sha256(Buffer.from(root)),
      token: 'token',
    },
    body: emptyBody(gateway, testDeviceId),
    release(target, bytes) {
      const reference: CatalogueReference = { target, sha256: sha256(bytes), lengthBytes: bytes.length }
      targets.set(target, { reference, bytes })
      publish()
      return reference
    },
    withdraw(target) {
      const taken = targets.get(target)
      targets.delete(target)
      publish()
      return () => {
        if (taken !== undefined) targets.set(target, taken)
        publish()
      }
    },
    deploy(settings = {}, sequence = {}) {
      const number = site.body.deployments.length
      const document = Sequence.parse({
        format: 'sluice-sequence/1',
        name: `Sequence ${number}`,
        steps: [{ type: 'setVariable', name: 'Step', variable: 'a', value: '1' }],
        ...sequence,
      })
      const sequenceId = `seq_${String(number).padStart(10, '0')}` as PolicyDeployment['sequenceId']
      const deployment: PolicyDeployment = {
        id: DeploymentId.parse(`dep_${String(number).padStart(10, '0')}`),
        revision: 1,
        name: document.name,
        sequenceId,
        sequence: site.release(`sequence/${sequenceId}/1`, writeSignedJson(document)),
        settings: DeploymentSettings.parse({ allowInternet: true, ...settings }),
        packages: [],
        refusals: [],
      }
      site.body.deployments.push(deployment)
      return deployment
    },
    messages,
    polls: () => polls,
  }
  return site
}

function emptyBody(gateway: TestGateway, deviceId: DeviceId): PolicyBody {
  return PolicyBody.parse({
    v: 1,
    minReader: 1,
    crit: [],
    deviceId,
    location: 'internet',
    clientSettings: ClientSettings.parse({ clientPolicy: { pollingIntervalMs: 1_000 } }),
    gateways: [gateway.address],
    deployments: [],
  })
}

interface TestKey {
  listed: { keyid: string; publicKey: string }
  raw: Buffer
  sign(bytes: Uint8Array): Buffer
  envelope(payloadType: string, payload: Uint8Array): Envelope
}

function makeKey(): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const raw = rawKey(publicKey)
  const keyid = sha256(raw)
  const signBytes = (bytes: Uint8Array) => sign(null, bytes, privateKey)
  return {
    listed: { keyid, publicKey: raw.toString('base64') },
    raw,
    sign: signBytes,
    envelope: (payloadType, payload) => ({
      payloadType,
      payload: Buffer.from(payload).toString('base64'),
      signatures: [{ keyid, sig: signBytes(preAuthEncoding(payloadType, payload)).toString('base64') }],
    }),
  }
}

const rawKey = (key: KeyObject) => Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')
const sha256 = (bytes: Uint8Array) => Sha256.parse(createHash('sha256').update(bytes).digest('hex'))

const stamp = (version: number) => ({
  version,
  specVersion: '1.0.31',
  expires: `${new Date(Date.now() + DAY_MS).toISOString().slice(0, 19)}Z`,
})

function rootOf(key: TestKey, policy: TestKey): string {
  const root = new Root({
    ...stamp(1),
    consistentSnapshot: true,
    unrecognizedFields: { [POLICY_KEYS_FIELD]: [policy.listed] },
  })
  const listed = new Key({
    keyID: key.listed.keyid,
    keyType: 'ed25519',
    scheme: 'ed25519',
    keyVal: { public: key.raw.toString('hex') },
  })
  for (const role of [MetadataKind.Root, MetadataKind.Targets, MetadataKind.Snapshot, MetadataKind.Timestamp])
    root.addKey(listed, role)
  return finish(new Metadata(root), key).toString()
}

/** All files of one version, by name. */
function catalogueOf(key: TestKey, version: number, references: CatalogueReference[]): [string, Buffer][] {
  const targets = new Targets(stamp(version))
  for (const { target, sha256: hash, lengthBytes } of references)
    targets.addTarget(new TargetFile({ path: target, length: lengthBytes, hashes: { sha256: hash } }))
  const targetsFile = finish(new Metadata(targets), key)
  const meta = { 'targets.json': metaFile(version, targetsFile) }
  const snapshotFile = finish(new Metadata(new Snapshot({ ...stamp(version), meta })), key)
  const snapshotMeta = metaFile(version, snapshotFile)
  return [
    [`${version}.targets.json`, targetsFile],
    [`${version}.snapshot.json`, snapshotFile],
    ['timestamp.json', finish(new Metadata(new Timestamp({ ...stamp(version), snapshotMeta })), key)],
  ]
}

const metaFile = (version: number, bytes: Buffer) =>
  new MetaFile({ version, length: bytes.length, hashes: { sha256: sha256(bytes) } })

function finish(metadata: Metadata<Root | Targets | Snapshot | Timestamp>, key: TestKey): Buffer {
  metadata.sign((bytes) => new Signature({ keyID: key.listed.keyid, sig: key.sign(bytes).toString('hex') }))
  return Buffer.from(JSON.stringify(metadata.toJSON()))
}
