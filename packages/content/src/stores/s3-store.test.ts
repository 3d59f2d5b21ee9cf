import { after, test } from 'node:test'
import { cloudStoreContract } from '../testing/cloud-store-contract.ts'
import { startSwift } from '../testing/swift.ts'
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
