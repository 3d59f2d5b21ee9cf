/**
 * The command line of the public TUF conformance suite, over the metadata client that the agent uses:
 *
 *     --metadata-dir DIR init TRUSTED_ROOT
 *     --metadata-dir DIR --metadata-url URL refresh
 *     --metadata-dir DIR --metadata-url URL --target-name NAME --target-base-url URL --target-dir DIR download
 *
 * Differs from the agent in what the suite asks for: it works in the folder itself and not in a copy,
 * and its repository is a plain web server.
 */

import { mkdir, readFile } from 'node:fs/promises'
import { get as httpGet, type IncomingMessage } from 'node:http'
import { get as httpsGet } from 'node:https'
import { join, posix } from 'node:path'
import { Readable } from 'node:stream'
import { parseArgs } from 'node:util'
import { writeFileAtomic } from '@sluice/content'
import type { Fetcher, TargetFile } from 'tuf-js'
import { DownloadHTTPError } from 'tuf-js/dist/error.js'
import { createMetadataClient, type MetadataClient } from './metadata-client.ts'

/** Longest silence of the repository. */
const IDLE_MS = 30_000
const MAX_TARGET_BYTES = 8 * 1024 * 1024

/** @returns the exit code: 0 when all went well, 1 otherwise */
export async function conformanceCommand(args: readonly string[], say: (line: string) => void): Promise<number> {
  try {
    await run(args)
    return 0
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    return 1
  }
}

async function run(args: readonly string[]): Promise<void> {
  const text = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      'metadata-dir': text,
      'metadata-url': text,
      'target-name': text,
      'target-base-url': text,
      'target-dir': text,
    },
  })
  const option = (name: keyof typeof values): string => {
    const value = values[name]
    if (value === undefined) throw new Error(`--${name} is missing`)
    return value
  }
  const [command, file] = positionals
  const folder = option('metadata-dir')
  if (command === 'init') {
    if (file === undefined) throw new Error('init needs the file with the trusted root')
    await mkdir(folder, { recursive: true })
    return await writeFileAtomic(join(folder, 'root.json'), await readFile(file))
  }
  if (command !== 'refresh' && command !== 'download') throw new Error('expected init, refresh or download')
  const client = createMetadataClient({
    folder,
    baseUrl: option('metadata-url'),
    fetcher,
    remote: true,
    now: Date.now,
  })
  await client.refresh()
  if (command === 'download')
    await download(client, folder, option('target-name'), option('target-base-url'), option('target-dir'))
}

/** A file that is there already and right is not fetched again. */
async function download(client: MetadataClient, folder: string, name: string, baseUrl: string, into: string) {
  const target = await client.find(name)
  if (target === undefined) throw new Error(`the repository lists no ${name}`)
  if (target.length > MAX_TARGET_BYTES) throw new Error(`${name} is longer than ${MAX_TARGET_BYTES} bytes`)
  const path = join(into, encodeURIComponent(name))
  const kept = await readFile(path).catch(() => undefined)
  if (kept !== undefined && (await isRight(target, kept))) return
  const bytes = await fetchBytes(`${baseUrl}/${await remoteName(folder, target)}`, target.length)
  await target.verify(Readable.from([bytes]))
  await mkdir(into, { recursive: true })
  await writeFileAtomic(path, bytes)
}

/** TUF 1.0, 5.7.3: with consistent snapshots the name of the file begins with its hash. */
async function remoteName(folder: string, target: TargetFile): Promise<string> {
  const root = JSON.parse(await readFile(join(folder, 'root.json'), 'utf8')) as {
    signed: { consistent_snapshot?: boolean }
  }
  const { dir, base } = posix.parse(target.path)
  const [hash] = Object.values(target.hashes)
  return posix.join(dir, root.signed.consistent_snapshot === true ? `${hash}.${base}` : base)
}

const isRight = (target: TargetFile, bytes: Buffer) =>
  target.verify(Readable.from([bytes])).then(
    () => true,
    () => false,
  )

const fetcher: Fetcher = {
  downloadBytes: (url, maxLength) => fetchBytes(url, maxLength),
  async downloadFile() {
    throw new Error('targets are fetched by their hash, not by the TUF client')
  },
}

/** GETs at most `maxBytes`, counted before they are kept (SEC-35). */
function fetchBytes(url: string, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const take = (answer: IncomingMessage) => {
      const parts: Buffer[] = []
      let length = 0
      if (answer.statusCode !== 200) {
        answer.destroy()
        return reject(new DownloadHTTPError(`${url}: status ${answer.statusCode}`, answer.statusCode ?? 0))
      }
      answer.on('data', (part: Buffer) => {
        length += part.length
        if (length > maxBytes) answer.destroy(new Error(`${url} is longer than ${maxBytes} bytes`))
        else parts.push(part)
      })
      answer.on('error', reject)
      answer.on('end', () => resolve(Buffer.concat(parts)))
    }
    const get = url.startsWith('https:') ? httpsGet : httpGet
    const request = get(url, { agent: false, headers: { 'accept-encoding': 'identity' } }, take)
    request.setTimeout(IDLE_MS, () => request.destroy(new Error(`${url}: silent for ${IDLE_MS} ms`)))
    request.on('error', reject)
  })
}
