/** A TUF repository on a loopback web server, whose owner, and whoever took it over, may do anything. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Key, Metadata, MetaFile, Root, Signature, Snapshot, TargetFile, Targets, Timestamp } from '@tufjs/models'

const DAY_MS = 24 * 3600_000
type Signed = Root | Targets | Snapshot | Timestamp
type Role = 'root' | 'timestamp' | 'snapshot' | 'targets' | string

interface TestKey {
  key: Key
  secret: KeyObject
}

export interface Delegated {
  role: string
  paths: string[]
  terminating?: boolean
  artifacts: Record<string, string>
}

const at = (days: number) => `${new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 19)}Z`
const hashOf = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex')

function newKey(): TestKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
  const keyVal = { public: raw.toString('hex') }
  return { key: new Key({ keyID: hashOf(raw), keyType: 'ed25519', scheme: 'ed25519', keyVal }), secret: privateKey }
}

export async function openTufRepository() {
  const keys: Record<Role, TestKey> = {
    root: newKey(),
    timestamp: newKey(),
    snapshot: newKey(),
    targets: newKey(),
  }
  const versions = { root: 0, timestamp: 0, snapshot: 0, targets: 0 }
  const expiresInDays = { root: 30, timestamp: 1, snapshot: 7, targets: 30 }
  const artifacts: Record<string, string> = {}
  const delegations: Delegated[] = []
  /** What the server gives out, by path; anything may be put here. */
  const files = new Map<string, Uint8Array | 'endless'>()
  const asked: string[] = []

  const keyOf = (role: Role): TestKey => (keys[role] ??= newKey())
  function signed(document: Signed, signers: TestKey[]): Buffer {
    const metadata = new Metadata(document)
    for (const { key, secret } of signers)
      metadata.sign(
        (bytes) => new Signature({ keyID: key.keyID, sig: sign(null, bytes, secret).toString('hex') }),
        true,
      )
    return Buffer.from(JSON.stringify(metadata.toJSON()))
  }
  const stamp = (role: keyof typeof versions) => ({
    version: versions[role],
    specVersion: '1.0.31',
    expires: at(expiresInDays[role]),
  })

  /** The next root, with the keys of now; @param also signs too, as the key before does */
  function publishRoot(also: TestKey[] = [], version = versions.root + 1): Buffer {
    versions.root = version
    const root = new Root({ ...stamp('root'), consistentSnapshot: true })
    for (const role of ['root', 'timestamp', 'snapshot', 'targets'] as const) root.addKey(keyOf(role).key, role)
    const bytes = signed(root, [keyOf('root'), ...also])
    files.set(`/metadata/${version}.root.json`, bytes)
    return bytes
  }

  function targetsOf(listed: Record<string, string>, version: number): Targets {
    const targets = new Targets({ version, specVersion: '1.0.31', expires: at(expiresInDays.targets) })
    for (const [path, text] of Object.entries(listed)) {
      targets.addTarget(new TargetFile({ path, length: Buffer.byteLength(text), hashes: { sha256: hashOf(text) } }))
      const slash = path.lastIndexOf('/') + 1
      const stored = `${path.slice(0, slash)}${hashOf(text)}.${path.slice(slash)}`
      files.set(`/targets/${stored}`, Buffer.from(text))
    }
    return targets
  }

  /** Everything below the root, under the next versions. */
  function publish(signers: Partial<Record<keyof typeof versions, TestKey>> = {}): void {
    for (const role of ['targets', 'snapshot', 'timestamp'] as const) versions[role] += 1
    const meta: Record<string, MetaFile> = {}
    const put = (role: string, version: number, bytes: Buffer) => {
      files.set(`/metadata/${version}.${encodeURIComponent(role)}.json`, bytes)
      meta[`${role}.json`] = new MetaFile({ version, length: bytes.length, hashes: { sha256: hashOf(bytes) } })
    }
    for (const { role, artifacts: listed } of delegations)
      put(role, versions.targets, signed(targetsOf(listed, versions.targets), [keyOf(role)]))
    const top = targetsOf(artifacts, versions.targets)
    const delegated = {
      keys: Object.fromEntries(delegations.map(({ role }) => [keyOf(role).key.keyID, keyOf(role).key.toJSON()])),
      roles: delegations.map(({ role, paths, terminating = false }) => ({
        name: role,
        keyids: [keyOf(role).key.keyID],
        threshold: 1,
        terminating,
        paths,
      })),
    }
    const targets = delegations.length === 0 ? top : Targets.fromJSON({ ...top.toJSON(), delegations: delegated })
    put('targets', versions.targets, signed(targets, [signers.targets ?? keyOf('targets')]))
    const snapshot = signed(new Snapshot({ ...stamp('snapshot'), meta }), [signers.snapshot ?? keyOf('snapshot')])
    files.set(`/metadata/${versions.snapshot}.snapshot.json`, snapshot)
    const snapshotMeta = new MetaFile({
      version: versions.snapshot,
      length: snapshot.length,
      hashes: { sha256: hashOf(snapshot) },
    })
    const timestamp = new Timestamp({ ...stamp('timestamp'), snapshotMeta })
    files.set('/metadata/timestamp.json', signed(timestamp, [signers.timestamp ?? keyOf('timestamp')]))
  }

  const server = createServer((request, response) => {
    const path = request.url ?? ''
    asked.push(path)
    const file = files.get(path)
    if (file === undefined) return response.writeHead(404).end()
    if (file !== 'endless') return response.end(file)
    const more = () => {
      while (response.write(Buffer.alloc(65_536, ' ')));
    }
    response.on('drain', more)
    more()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const trustedRoot = publishRoot()
  publish()

  return {
    ...{ keys, versions, expiresInDays, artifacts, delegations, files, asked, trustedRoot },
    metadataUrl: `${url}/metadata`,
    targetsUrl: `${url}/targets`,
    newKey,
    publish,
    publishRoot,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
