/** A device, a gateway that serves packages, and the contents of a run between them. */
import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { createTestAuthority } from '../../testing/test-authority.ts'
import { testCertificate } from '../../testing/test-device.ts'
import { startTestGateway, type TestGateway } from '../../testing/test-gateway.ts'
import type { Line } from '../budget/line.ts'
import { createTestContents, type TestContents, type TestFile, type TestPackage } from './test-contents.ts'
import { openTestRun, type TestRun, type TestRunOrder } from './test-run.ts'

export interface TestLine {
  folder: string
  gateway: TestGateway
  contents: TestContents
  /** Imports a package, or the next version of one. */
  add(id: string, files: Record<string, TestFile>): Promise<TestPackage>
  /** What another process needs to be that device. */
  order(packages: readonly TestPackage[]): TestRunOrder
  /** The device with a new run of these packages; the one before is stopped. */
  open(packages: readonly TestPackage[], changes?: Partial<TestRunOrder>, use?: Line): Promise<TestRun>
}

const pem = { type: 'pkcs8', format: 'pem' } as const

export async function startTestLine(t: TestContext): Promise<TestLine> {
  const folder = temporaryFolder(t)
  const gateway = await startTestGateway(t)
  const identity = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const { privateKey: seal, publicKey: sealPublic } = generateKeyPairSync('x25519')
  const contents = await createTestContents(join(folder, 'site'))
  contents.serve(gateway, () => sealPublic)
  const credentials = {
    key: identity.export(pem).toString(),
    certificate: testCertificate(createTestAuthority(), identity),
  }
  let run: TestRun | undefined
  let runs = 0
  t.after(() => run?.stop())
  const order = (packages: readonly TestPackage[]): TestRunOrder => ({
    folder: join(folder, 'device'),
    gateway: { address: gateway.address, authority: { certificate: gateway.authority.certificate } },
    credentials,
    sealKey: seal.export(pem).toString(),
    packages: packages.map(({ policy, root }) => ({ policy, root: root.toString('base64') })),
  })
  return {
    folder,
    gateway,
    contents,
    order,
    add: contents.add,
    async open(packages, changes = {}, use) {
      run?.stop()
      run = await openTestRun({ ...order(packages), runFolder: `run-${++runs}`, ...changes }, use)
      return run
    },
  }
}
