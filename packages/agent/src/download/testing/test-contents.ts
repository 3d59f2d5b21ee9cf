/**
 * Contents for tests: real folders, imported into a real store, and a gateway that serves them the
 * way the real one does, unless the test wants it otherwise.
 */
import { type KeyObject, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { dirname, join } from 'node:path'
import { type FileStore, type ImportedVersion, importVersion, openFolderStore } from '@sluice/content'
import { createMemoryIndex } from '@sluice/content/testing'
import {
  type ContentGrant,
  ContentTokenRequest,
  ContentUrlsRequest,
  devicePath,
  ObjectKind,
  PackageId,
  type PolicyPackage,
  problem,
  Sha256,
} from '@sluice/protocol'
import { CompactEncrypt } from 'jose'
import type { RawAnswer, TestGateway } from '../../testing/test-gateway.ts'

export interface TestPackage {
  source: string
  policy: PolicyPackage
  /** Bytes of the manifest root. */
  root: Buffer
  imported: ImportedVersion
}

export interface ObjectRequest {
  kind: ObjectKind
  hash: Sha256
  /** Half-open. */
  start: number
  end: number
  /** Of the whole object. */
  totalBytes: number
}

/** `text` or bytes of a file; an executable one; a symlink. */
export type TestFile = string | Uint8Array | { executable: string } | { link: string }

export interface TestContents {
  store: FileStore
  packages: TestPackage[]
  /** Writes a folder and imports it. */
  add(id: string, files: Record<string, TestFile>): Promise<TestPackage>
  /** Packs the same content anew: other packs, another layout, and the old ones are gone. */
  repack(pack: TestPackage): Promise<void>
  /** Answers the content routes at a gateway, for the device with this public seal key. */
  serve(gateway: TestGateway, sealKey: () => KeyObject): void
  /** Bytes that an object's answers really had, and what was asked for. */
  served: { packBytes: number; pageBytes: number; objects: ObjectRequest[]; urls: number; tokens: number }
  /** Answers a request for an object in the place of the honest gateway. */
  fault: ((asked: ObjectRequest) => RawAnswer | undefined) | undefined
  /** Addresses that were given out before are refused from now on; with `tokens`, those too. */
  revoke(what: 'addresses' | 'tokens'): void
  /** Bytes a second of each answer; undefined: as fast as it goes. */
  bytesPerSecond: number | undefined
  /** Pages come with their addresses when the device wants them. Off: tests look at requests for pages. */
  pagesWithAddresses: boolean
  /** Changes pages that come with their addresses. */
  changePage: ((page: Buffer) => Buffer) | undefined
  /** Waits before each answer of the content routes. */
  hold: Promise<void> | undefined
}

export async function createTestContents(folder: string): Promise<TestContents> {
  const store = await openFolderStore(join(folder, 'objects'))
  const staging = join(folder, 'staging')
  await mkdir(staging, { recursive: true })
  let index = createMemoryIndex()
  const keys = new Map<string, Uint8Array>()
  let addresses = 0
  let tokens = 0

  const importSource = async (source: string, packageId: PackageId, version: number): Promise<ImportedVersion> => {
    const imported = await importVersion({
      folder: source,
      packageId,
      version,
      target: 'linux',
      packageKey: keys.get(packageId) ?? new Uint8Array(32),
      index,
      store,
      stagingFolder: staging,
      randomBytes,
      maxPackBytes: 8 * 1024 * 1024,
    })
    if (!imported.ok) throw new Error(imported.problem.detail)
    return imported.value
  }

  const contents: TestContents = {
    store,
    packages: [],
    served: { packBytes: 0, pageBytes: 0, objects: [], urls: 0, tokens: 0 },
    fault: undefined,
    bytesPerSecond: undefined,
    pagesWithAddresses: false,
    changePage: undefined,
    hold: undefined,
    async add(id, files) {
      const source = join(folder, 'sources', `${id}-${contents.packages.length}`)
      for (const [path, file] of Object.entries(files)) await writeTestFile(join(source, path), file)
      keys.set(id, keys.get(id) ?? randomBytes(32))
      const packageId = PackageId.parse(id)
      const version = contents.packages.filter((one) => one.policy.id === packageId).length + 1
      const imported = await importSource(source, packageId, version)
      const { contentId, root, storedBytes } = imported
      const added: TestPackage = {
        source,
        policy: {
          id: packageId,
          name: `Package ${id}`,
          kind: 'package',
          version,
          contentId,
          manifest: { target: `manifest/${id}/${version}`, sha256: Sha256.parse(contentId), lengthBytes: root.length },
          storedBytes,
        },
        root,
        imported,
      }
      contents.packages.push(added)
      return added
    },
    async repack(pack) {
      const before = pack.imported.objects
      index = createMemoryIndex()
      pack.imported = await importSource(pack.source, pack.policy.id, pack.policy.version)
      const kept = new Set(pack.imported.objects.map(({ hash }) => hash))
      for (const name of before) if (!kept.has(name.hash)) await store.delete(name)
    },
    serve(gateway, sealKey) {
      const grantOf = async ({ policy, imported }: TestPackage): Promise<ContentGrant> => ({
        contentId: policy.contentId,
        packageId: policy.id,
        sealedKey: await new CompactEncrypt(keys.get(policy.id) ?? new Uint8Array(32))
          .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM' })
          .encrypt(sealKey()),
        layout: { hash: imported.layout.hash, sizeBytes: imported.layout.sizeBytes },
        storedBytes: imported.storedBytes,
        sources: [{ gatewayId: gateway.address.gatewayId, name: 'test', url: gateway.address.deviceUrl }],
        points: [],
        passedOver: [],
      })
      gateway.answers.contentToken = async ({ body }) => {
        await contents.hold
        contents.served.tokens += 1
        const wanted = ContentTokenRequest.parse(body).contents
        const known = contents.packages.filter(({ policy }) => wanted.includes(policy.contentId))
        return {
          json: {
            token: `token-${tokens}`,
            expiresAt: new Date(Date.now() + 24 * 3600_000).toISOString(),
            grants: await Promise.all(known.map(grantOf)),
            refused: wanted
              .filter((id) => !known.some(({ policy }) => policy.contentId === id))
              .map((contentId) => ({ contentId, problem: problem('CONTENT_NOT_DISTRIBUTED', contentId) })),
          },
        }
      }
      gateway.answers.contentUrls = async ({ body }) => {
        await contents.hold
        contents.served.urls += 1
        const { token, objects, withPages } = ContentUrlsRequest.parse(body)
        if (token !== `token-${tokens}`) return { problem: problem('CONTENT_TOKEN_REFUSED', 'another token') }
        const answers = objects.map(async ({ kind, hash }) => {
          if (!(await store.has({ kind, hash }))) return { hash, problem: problem('PACK_GONE', hash) }
          const url = `${gateway.address.deviceUrl}${devicePath('object', { kind, hash })}?signature=${addresses}`
          const address = { hash, url, expiresAt: new Date(Date.now() + 300_000).toISOString() }
          if (kind !== 'page' || withPages !== true || !contents.pagesWithAddresses) return address
          const page = await store.get({ kind, hash })
          if (!page.ok) return address
          const bytes = Buffer.concat(await page.value.body.toArray())
          contents.served.pageBytes += bytes.length
          return { ...address, page: (contents.changePage?.(bytes) ?? bytes).toString('base64') }
        })
        return { json: { objects: await Promise.all(answers) } }
      }
      gateway.answers.object = ({ parameters }) => ({
        raw: (response) => {
          answer(parameters, response).catch(() => response.destroy())
        },
      })
    },
    revoke(what) {
      if (what === 'addresses') addresses += 1
      else tokens += 1
    },
  }

  const answer = async (parameters: Record<string, string>, response: ServerResponse): Promise<void> => {
    const name = { kind: ObjectKind.parse(parameters.kind), hash: Sha256.parse(parameters.hash) }
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(response.req.headers.range ?? '') ?? []
    const range = { start: Number(first), end: Number(last) + 1 }
    const known = contents.packages.flatMap(({ imported }) => imported.objects)
    const totalBytes = known.find(({ hash }) => hash === name.hash)?.sizeBytes ?? 0
    const asked = { ...name, ...range, totalBytes }
    contents.served.objects.push(asked)
    await contents.hold
    if (!response.req.url?.endsWith(`?signature=${addresses}`)) return refuse(response, 'SIGNED_URL_REFUSED')
    const fault = contents.fault?.(asked)
    if (fault !== undefined) return fault(response)
    const found = await store.get(name, range)
    if (!found.ok) return refuse(response, 'PACK_GONE')
    const { body } = found.value
    response.writeHead(206, {
      'content-range': `bytes ${range.start}-${range.end - 1}/${totalBytes}`,
      'content-length': range.end - range.start,
    })
    const closed = once(response, 'close')
    for await (const piece of body as AsyncIterable<Buffer>) {
      for (let at = 0; at < piece.length; at += 16_384) {
        const part = piece.subarray(at, at + 16_384)
        if (response.destroyed) return
        if (!response.write(part)) {
          await Promise.race([new Promise((resolve) => response.once('drain', resolve)), closed])
        }
        contents.served[name.kind === 'pack' ? 'packBytes' : 'pageBytes'] += part.length
        const { bytesPerSecond } = contents
        if (bytesPerSecond !== undefined)
          await new Promise((resolve) => setTimeout(resolve, (part.length * 1000) / bytesPerSecond))
      }
    }
    response.end()
  }
  return contents
}

function refuse(response: ServerResponse, code: 'SIGNED_URL_REFUSED' | 'PACK_GONE'): void {
  const said = problem(code, 'as the test wants it')
  response.writeHead(code === 'PACK_GONE' ? 410 : 403, { 'content-type': 'application/problem+json' })
  response.end(JSON.stringify(said))
}

async function writeTestFile(path: string, file: TestFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  if (typeof file === 'string' || file instanceof Uint8Array) return writeFile(path, file)
  if ('link' in file) return symlink(file.link, path)
  await writeFile(path, file.executable)
  await chmod(path, 0o755)
}
