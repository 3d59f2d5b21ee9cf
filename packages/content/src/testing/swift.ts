/**
 * OpenStack Swift with its S3 front on one machine: an S3 storage that really checks signatures,
 * expiry and the hash of bodies. Debian has it: `swift-proxy swift-account swift-container swift-object memcached`.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type S3Bucket, S3Requests } from '../stores/s3-requests.ts'
import type { S3Credentials } from '../stores/sigv4.ts'
import { freePorts, startChild, untilReady } from './child.ts'

const run = promisify(execFile)
const services = ['account', 'container', 'object'] as const

export interface RunningSwift {
  port: number
  /** A new, empty bucket, with the credentials of its owner. */
  createBucket(): Promise<S3Bucket>
  /** Of a user that may get the objects of every bucket made here, and nothing else. */
  reader: S3Credentials
  /** Of a second one, which may when it was let. */
  otherReader: S3Credentials
  /** From now on these and nobody else may get the objects of the bucket. */
  letRead(bucket: string, readers: readonly S3Credentials[]): Promise<void>
  close(): Promise<void>
}

/** Undefined when it is not installed. With `CI=true` that is an error: there it must run. */
export async function startSwift(): Promise<RunningSwift | undefined> {
  if (!(await isInstalled())) {
    if (process.env.CI === 'true') throw new Error('OpenStack Swift is not installed; .ci/run says which packages.')
    return undefined
  }
  const folder = await mkdtemp(join(tmpdir(), 'sluice-swift-'))
  const [port = 0, cachePort = 0, ...backends] = await freePorts(5)
  await mkdir(join(folder, 'srv/d1'), { recursive: true })
  await writeFile(join(folder, 'swift.conf'), swiftConf)
  await Promise.all(
    services.map(async (service, i) => {
      await writeFile(join(folder, `${service}.conf`), backendConf(folder, service, backends[i] ?? 0))
      const ring = (...args: string[]) => run('swift-ring-builder', [`${service}.builder`, ...args], { cwd: folder })
      await ring('create', '4', '1', '1')
      await ring('add', `r1z1-127.0.0.1:${backends[i]}/d1`, '1')
      // It ends with 1 when it only warns.
      await ring('rebalance').catch(() => undefined)
    }),
  )
  await writeFile(join(folder, 'proxy.conf'), proxyConf(folder, port, cachePort))
  const children = [...services, 'proxy'].map((service) =>
    startChild(`swift-${service}-server`, [join(folder, `${service}.conf`), '-v']),
  )
  children.push(startChild('memcached', ['-u', userInfo().username, '-l', '127.0.0.1', '-p', String(cachePort)]))
  const close = async () => {
    await Promise.all(children.map((child) => child.stop()))
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  const bucketNamed = (bucket: string): S3Bucket => ({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    bucket,
    credentials: { accessKeyId: 'test:tester', secretAccessKey: 'testing' },
  })
  const reader = { accessKeyId: 'test:reader', secretAccessKey: 'reading' }
  const otherReader = { accessKeyId: 'test:other', secretAccessKey: 'alsoreading' }
  const createBucket = async () => {
    const bucket = bucketNamed(`sluice-${randomBytes(6).toString('hex')}`)
    await new S3Requests(bucket).ask({ method: 'PUT' })
    await letRead(port, bucket.bucket, [reader])
    return bucket
  }
  try {
    // Healthy proxies may still have deaf backends: a bucket needs all of them but the objects'.
    await untilReady(children, async () => {
      const said = await Promise.all(
        [port, ...backends].map((each) => fetch(`http://127.0.0.1:${each}/healthcheck`).then((answer) => answer.ok)),
      )
      return said.every((healthy) => healthy)
    })
  } catch (error) {
    await close()
    throw error
  }
  return {
    ...{ port, createBucket, reader, otherReader, close },
    letRead: (bucket, readers) => letRead(port, bucket, readers),
  }
}

/**
 * Swift has its own lists of who may read; its front for S3 knows none. Parts of large objects lie in a container
 * of their own, which has the list that the bucket had when it was made: who is only on the list of the bucket
 * gets 409 for a large object.
 */
async function letRead(port: number, bucket: string, readers: readonly S3Credentials[]): Promise<void> {
  const { headers } = await fetch(`http://127.0.0.1:${port}/auth/v1.0`, {
    headers: { 'x-storage-user': 'test:tester', 'x-storage-pass': 'testing' },
  })
  const token = headers.get('x-auth-token') ?? ''
  const read = readers.map(({ accessKeyId }) => accessKeyId).join(',')
  for (const container of [bucket, `${bucket}%2Bsegments`]) {
    const answer = await fetch(`${headers.get('x-storage-url')}/${container}`, {
      method: 'POST',
      headers: { 'x-auth-token': token, 'x-container-read': read },
    })
    const notYet = container !== bucket && answer.status === 404
    if (!answer.ok && !notYet) throw new Error(`Swift answered ${answer.status} to a list of readers`)
  }
}

const isInstalled = (): Promise<boolean> =>
  run('sh', ['-c', 'command -v swift-proxy-server && command -v swift-object-server && command -v memcached']).then(
    () => true,
    () => false,
  )

const swiftConf = `[swift-hash]
swift_hash_path_suffix = sluice
swift_hash_path_prefix = sluice
[storage-policy:0]
name = default
default = yes
`

/** Waits long for the listing of a container: it must be right when a put returns, however slow the machine is. */
const backendConf = (folder: string, service: string, port: number): string => `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
user = ${userInfo().username}
swift_dir = ${folder}
devices = ${folder}/srv
mount_check = false
workers = 0
log_level = ERROR
container_update_timeout = 60
[pipeline:main]
pipeline = healthcheck ${service}-server
[app:${service}-server]
use = egg:swift#${service}
[filter:healthcheck]
use = egg:swift#healthcheck
`

const proxyConf = (folder: string, port: number, cachePort: number): string => `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
user = ${userInfo().username}
swift_dir = ${folder}
workers = 0
log_level = ERROR
[pipeline:main]
pipeline = catch_errors healthcheck cache listing_formats s3api tempauth bulk slo dlo symlink versioned_writes proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
node_timeout = 60
conn_timeout = 10
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_test_reader = reading
user_test_other = alsoreading
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = us-east-1
min_segment_size = 1
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:${cachePort}
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
${['catch_errors', 'healthcheck', 'listing_formats', 'bulk', 'slo', 'dlo', 'symlink']
  .map((name) => `[filter:${name}]\nuse = egg:swift#${name}\n`)
  .join('')}`
