import type { TestContext } from 'node:test'
import { startTlsFront } from '@sluice/content/testing/cloud'

/** TLS before a storage of the test, whose authority site, gateway and device trust, being processes of their own. */
export async function startTrustedFront(t: TestContext, port: number): ReturnType<typeof startTlsFront> {
  const front = await startTlsFront(port)
  process.env.NODE_EXTRA_CA_CERTS = front.certificateFile
  t.after(async () => {
    delete process.env.NODE_EXTRA_CA_CERTS
    await front.close()
  })
  return front
}
