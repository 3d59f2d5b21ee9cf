import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClientSettings } from './client-settings.ts'
import { type DeploymentCircumstances, DeploymentSettings, deploymentRefusals, deploymentTiming } from './deployment.ts'
import { PackageId } from './ids.ts'

const good: DeploymentCircumstances = {
  location: 'internet',
  clientSettings: ClientSettings.parse({}),
  settings: DeploymentSettings.parse({ allowInternet: true }),
  downloadsPackageContent: true,
  contentServed: true,
  missingPackages: [],
}
const codes = (change: Partial<DeploymentCircumstances>) =>
  deploymentRefusals({ ...good, ...change }).map((refusal) => refusal.code)
const settings = (change: object) => DeploymentSettings.parse({ allowInternet: true, ...change })
const cloud = (change: object) => ClientSettings.parse({ cloudServices: change })

test('with everything set, nothing stands against it', () => assert.deepEqual(codes({}), []))

for (const [what, change, code] of [
  [
    'Allow task sequence to run for client on the Internet = No',
    { settings: settings({ allowInternet: false }) },
    'INTERNET_NOT_ALLOWED',
  ],
  [
    'Access content directly from a distribution point',
    { settings: settings({ contentOption: 'directFromDistributionPoint' }) },
    'DIRECT_ACCESS_NOT_SUPPORTED',
  ],
  [
    'Download all, with a Download Package Content step',
    { settings: settings({ contentOption: 'allBeforeStart' }) },
    'ON_DEMAND_REQUIRED',
  ],
  [
    'Enable clients to use a cloud management gateway = No',
    { clientSettings: cloud({ enableGateway: false }) },
    'GATEWAY_USE_DISABLED',
  ],
  [
    'Allow access to cloud distribution point = No',
    { clientSettings: cloud({ allowCloudDistributionPoint: false }) },
    'CLOUD_CONTENT_DISABLED',
  ],
  ['the gateway serves no content', { contentServed: false }, 'GATEWAY_CONTENT_DISABLED'],
  ['a package is not distributed', { missingPackages: [PackageId.parse('ABC00001')] }, 'CONTENT_MISSING_IN_CLOUD'],
] as const)
  test(`${what}: refused as ${code}, and for nothing else`, () => assert.deepEqual(codes(change), [code]))

test('inside the office neither the internet setting nor the cloud settings matter', () => {
  assert.deepEqual(
    codes({
      location: 'internal',
      settings: settings({ allowInternet: false }),
      clientSettings: cloud({ enableGateway: false, allowCloudDistributionPoint: false }),
    }),
    [],
  )
})

test('a sequence without Download Package Content may download everything first', () => {
  assert.deepEqual(
    codes({ settings: settings({ contentOption: 'allBeforeStart' }), downloadsPackageContent: false }),
    [],
  )
})

test('availability and expiry are instants: before, from, until', () => {
  const timed = settings({ availableAt: '2026-01-02T00:00:00Z', expiresAt: '2026-01-03T00:00:00Z' })
  const at = (time: string) => deploymentTiming(timed, Date.parse(time))?.code
  assert.equal(at('2026-01-01T23:59:59Z'), 'NOT_AVAILABLE_YET')
  assert.equal(at('2026-01-02T00:00:00Z'), undefined)
  assert.equal(at('2026-01-02T23:59:59Z'), undefined)
  assert.equal(at('2026-01-03T00:00:00Z'), 'DEPLOYMENT_EXPIRED')
})
