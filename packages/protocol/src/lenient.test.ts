/** One schema, two readers: administrators are told of what they misspelt, devices live with what is newer than they. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { ClientSettings } from './client-settings.ts'
import { ContentTokenAnswer, ContentTokenClaims } from './content.ts'
import { DeploymentSettings } from './deployment.ts'
import { CATALOGUE_CRIT_FIELD, CATALOGUE_MODE_FIELD, CatalogueRootFields, POLICY_KEYS_FIELD } from './dsse.ts'
import { EnrolmentBundle, GatewayAddress } from './enrolment.ts'
import { knowsField, lenient } from './lenient.ts'
import { PolicyBody, PolicyHead, unreadable } from './policy.ts'
import { Problem } from './problem.ts'
import { Revelation } from './secret.ts'

test('a lenient schema drops unknown fields at every depth and keeps every other check', () => {
  const Inner = z.strictObject({ n: z.int().max(5).default(1) })
  const Strict = z
    .strictObject({
      one: Inner.prefault({}),
      many: z.array(Inner).max(2).optional(),
      named: z.record(z.string(), Inner).optional(),
      either: z.discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('a') }),
        z.strictObject({ kind: z.literal('b'), inner: Inner.nullable() }),
      ]),
    })
    .refine(({ one }) => one.n !== 3, 'not three')
  const Lenient = lenient(Strict)
  const x = { x: 1 }
  const document = {
    ...x,
    one: { ...x, n: 2 },
    many: [{ ...x }],
    named: { a: { ...x } },
    either: { ...x, kind: 'b', inner: x },
  }
  assert.equal(Strict.safeParse(document).success, false)
  assert.deepEqual(Lenient.parse(document), {
    one: { n: 2 },
    many: [{ n: 1 }],
    named: { a: { n: 1 } },
    either: { kind: 'b', inner: { n: 1 } },
  })
  const either = { kind: 'a' }
  assert.equal(Lenient.safeParse({ one: { n: 9 }, either }).success, false)
  assert.equal(Lenient.safeParse({ one: { n: 3 }, either }).success, false, 'a refinement')
  assert.equal(Lenient.safeParse({ many: [{}, {}, {}], either }).success, false)
  assert.equal(Lenient.safeParse({ either: { kind: 'c' } }).success, false)
  assert.equal(Strict.safeParse({ either, ...x }).success, false, 'the strict one stays as it was')
})

test('a field is known by its path', () => {
  for (const path of [
    'crit',
    'clientSettings.clientCache.maxBytes',
    'deployments.settings.purpose',
    'gateways.deviceUrl',
  ])
    assert.ok(knowsField(PolicyBody, path), path)
  for (const path of ['maintenance', 'clientSettings.maintenance', 'deployments.settings.x', 'toString', 'v.x', ''])
    assert.ok(!knowsField(PolicyBody, path), path)
})

const hash = 'a'.repeat(64)
const gateway = {
  ...{ gatewayId: 'gw_0123456789', name: 'edge', kind: 'internet', future: 1 },
  ...{ deviceUrl: 'https://edge.example', enrolmentUrl: 'https://edge.example' },
}
const refusal = { code: 'BUSY', title: 'Busy', detail: 'busy', retry: 'later', future: 1 }
const reference = { target: 't', sha256: hash, lengthBytes: 1, future: 1 }
const packageOf = {
  ...{ id: 'ABC00001', name: 'p', kind: 'package', version: 1, contentId: hash, manifest: reference },
  ...{ storedBytes: 1, preCache: { model: 'x', future: 1 }, future: 1 },
}
const signed = { v: 1, minReader: 1, deviceId: 'dev_0123456789', future: { more: 1 } }
const head = {
  ...{ ...signed, epoch: 1, seq: 1, bodyHash: hash, nonce: 'n'.repeat(16) },
  ...{ now: '2026-11-20T12:00:00Z', expiresAt: '2026-11-21T12:00:00Z' },
}
const body = {
  ...{ ...signed, location: 'internet', gateways: [gateway] },
  clientSettings: {
    ...{ future: 1, cloudServices: { future: 1 }, clientPolicy: { future: 1 }, clientCache: { future: 1 } },
    ...{ contentTransfer: { future: 1 }, meteredInternet: { future: 1 } },
  },
  deployments: [
    {
      ...{ id: 'dep_0123456789', revision: 1, name: 'd', sequenceId: 'seq_0123456789', sequence: reference, future: 1 },
      ...{ settings: { future: 1 }, packages: [packageOf], refusals: [refusal] },
    },
  ],
  debugOrders: [{ runId: 'run_0123456789', n: 1, order: { kind: 'future' }, future: 1 }],
}
const grant = {
  ...{ contentId: packageOf.contentId, packageId: 'ABC00001', sealedKey: 's', storedBytes: 1, future: 1 },
  layout: { hash, sizeBytes: 1, future: 1 },
  sources: [{ gatewayId: 'gw_0123456789', name: 'edge', url: 'https://edge.example', future: 1 }],
  points: [{ pointId: 'dp_0123456789', name: 'cloud', future: 1 }],
  passedOver: [{ name: 'edge', problem: { ...refusal, errors: [{ path: '', message: '', future: 1 }] }, future: 1 }],
}
const day = '2026-11-20T12:00:00Z'

const root = {
  [POLICY_KEYS_FIELD]: [{ keyid: hash, publicKey: 'AAAA', future: 1 }],
  ...{ [CATALOGUE_MODE_FIELD]: 'online', [CATALOGUE_CRIT_FIELD]: [CATALOGUE_MODE_FIELD], 'x-sluice-future': 1 },
}

/** Everything that a site of a later version may send to an older device or gateway, with fields that are not there today. */
const documents: [string, z.ZodType, object][] = [
  ['the head of policy', PolicyHead, head],
  ['the body of policy', PolicyBody, body],
  ['a gateway of the list', GatewayAddress, gateway],
  ['the fields of the catalogue', CatalogueRootFields, root],
  ['grants', ContentTokenAnswer, { token: 't', expiresAt: day, grants: [grant], refused: [], future: 1 }],
  [
    'a content token',
    ContentTokenClaims,
    {
      ...{ iss: 'i', sub: 's', aud: 'sluice-content', exp: 1, iat: 1, jti: 'j', future: 1 },
      ...{ cnf: { 'x5t#S256': 'x', future: 1 }, contents: [packageOf.contentId] },
    },
  ],
  [
    'a revealed secret',
    Revelation,
    {
      ...{ v: 1, deviceId: 'dev_0123456789', runId: 'run_0123456789', attempt: 'a', name: 'Password', future: 1 },
      ...{ nonce: 'n', value: 'x' },
    },
  ],
  ['a problem', Problem, refusal],
  [
    'an enrolment bundle',
    EnrolmentBundle,
    {
      ...{ format: 'sluice-enrolment/1', siteId: 'site_0123456789', gateways: [gateway], future: 1 },
      ...{ gatewayAuthority: 'pem', catalogueRootHash: hash },
    },
  ],
]
for (const [what, schema, document] of documents)
  test(`${what} with fields of the future is read without them`, () => {
    const read = schema.safeParse(document)
    assert.ok(read.success, JSON.stringify(read.error?.issues))
    assert.ok(!JSON.stringify(read.data).replaceAll('"kind":"future"', '').includes('future'))
  })

test('a field of the future that a document names in crit is not passed over, at any depth', () => {
  for (const [schema, document] of [
    [PolicyHead, head],
    [PolicyBody, body],
  ] as const) {
    assert.equal(unreadable(document, schema), undefined)
    assert.match(unreadable({ ...document, crit: ['future'] }, schema) ?? '', /must be understood: future/)
    assert.match(unreadable({ ...document, crit: ['a'.repeat(300)] }, schema) ?? '', /readers/)
  }
  const asked = { ...root, [CATALOGUE_CRIT_FIELD]: ['x-sluice-future'] }
  assert.equal(CatalogueRootFields.safeParse(asked).success, false)
  const nested = { ...body, crit: ['clientSettings.clientCache.maxBytes', 'clientSettings.clientCache.future'] }
  assert.match(unreadable(nested, PolicyBody) ?? '', /understood: clientSettings\.clientCache\.future$/)
})

test('what an administrator types is read strictly', () => {
  for (const [schema, typed] of [
    [ClientSettings, { future: 1 }],
    [ClientSettings, { clientCache: { future: 1 } }],
    [DeploymentSettings, { future: 1 }],
  ] as const)
    assert.match(schema.safeParse(typed).error?.issues[0]?.message ?? '', /future/)
})
