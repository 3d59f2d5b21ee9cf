import { equal } from 'node:assert/strict'
import { after, test } from 'node:test'
import { sha256 } from '../pack/hash.ts'
import { cloudStoreContract } from '../testing/cloud-store-contract.ts'
import { startSwift } from '../testing/swift.ts'
import { value } from '../testing/value.ts'
import { openS3Store } from './s3-store.ts'

const swift = await startSwift()
after(() => swift?.close())

if (swift === undefined)
  test('S3 store', { skip: 'OpenStack Swift is not installed (see docs/content.md)' }, () => undefined)
else
  cloudStoreContract('S3 store', async () => {
    const bucket = await swift.createBucket()
    const options = { partBytes: 1024 * 1024, parallel: 3, firstPauseMs: 5 }
    return {
      port: swift.port,
      open: (through = swift.port) => openS3Store({ ...bucket, ...options, endpoint: `http://127.0.0.1:${through}` }),
      openWithWrongCredentials: () =>
        openS3Store({ ...bucket, ...options, credentials: { ...bucket.credentials, secretAccessKey: 'wrong' } }),
    }
  })

test('a bucket is addressed by path or by host name', async () => {
  const name = { kind: 'page', hash: sha256(Buffer.from('bytes')) } as const
  const signed = async (addressing: 'path' | 'host') => {
    const where = { endpoint: 'https://s3.example.com', region: 'eu-1', bucket: 'packs-of-site', prefix: 'a/' }
    const store = openS3Store({ ...where, addressing, credentials: { accessKeyId: 'id', secretAccessKey: 'key' } })
    const { origin, pathname } = new URL(value(await store.signedUrl(name, 300_000)).url)
    return origin + pathname
  }
  equal(await signed('path'), `https://s3.example.com/packs-of-site/a/pages/${name.hash}`)
  equal(await signed('host'), `https://packs-of-site.s3.example.com/a/pages/${name.hash}`)
})
