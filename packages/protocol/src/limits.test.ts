/**
 * `docs/limits.md` says what the code says. Tables of the protocol are made here from the code and must
 * stand in the page as they are; nothing else there may claim to be of the protocol. Bounds of the other
 * packages are compared with the text of their source, since the protocol imports none of them.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { z } from 'zod'
import * as protocol from './index.ts'

const {
  adminRoutes,
  ClientSettings,
  deviceBounds,
  deviceRoutes,
  DeploymentSettings,
  linkBounds,
  Sequence,
  SequenceInput,
  RunCommandLineStep,
} = protocol
const root = new URL('../../../', import.meta.url)
const page = await readFile(new URL('docs/limits.md', root), 'utf8')

const KiB = 1024
const MiB = 1024 * KiB
const HOUR_MS = 3600_000
const DAY_MS = 24 * HOUR_MS

/** The largest unit that leaves a whole number. */
const inUnits = (value: number, units: [string, number][]): string => {
  const [unit, size] = units.find(([, each]) => value >= each && value % each === 0) ?? ['', 1]
  return `${(value / size).toLocaleString('en-US')}${unit === '' ? '' : ` ${unit}`}`
}
const timeUnits: [string, number][] = [
  ['days', 2 * DAY_MS],
  ['h', HOUR_MS],
  ['min', 60_000],
  ['s', 1_000],
  ['ms', 1],
]
const count = (value: number): string => inUnits(value, [])
const characters = (value: number): string => `${count(value)} characters`
const bytes = (value: number): string =>
  inUnits(value, [
    ['MiB', MiB],
    ['KiB', KiB],
    ['B', 1],
  ])
const time = (ms: number): string => {
  const days = ms / DAY_MS
  return days >= 2 && Number.isInteger(days) ? `${count(days)} days` : inUnits(ms, timeUnits)
}

/** A bound that a schema sets on a field, such as `maxLength`; the first of its branches that has one. */
function bound(schema: z.ZodType, field: string, keyword: string): number {
  type Json = z.core.JSONSchema._JSONSchema
  const branches = (json: Json): z.core.JSONSchema.JSONSchema[] =>
    typeof json === 'boolean' ? [] : [json, ...[...(json.anyOf ?? []), ...(json.oneOf ?? [])].flatMap(branches)]
  let found = branches(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }))
  for (const part of field.split('.')) found = found.flatMap(({ properties }) => branches(properties?.[part] ?? false))
  for (const one of found) {
    const value: unknown = Reflect.get(one, keyword)
    if (typeof value === 'number') return value
  }
  throw new Error(`no ${keyword} of ${field}`)
}
const longest = (schema: z.ZodType, field: string) => characters(bound(schema, field, 'maxLength'))
const most = (schema: z.ZodType, field: string) => count(bound(schema, field, 'maxItems'))
const greatest = (schema: z.ZodType, field: string) => bound(schema, field, 'maximum')
const least = (schema: z.ZodType, field: string) => bound(schema, field, 'minimum')

const POLLING = 'clientPolicy.pollingIntervalMs'

/** Rows of a table: what, bound, and the file of the protocol where it stands. */
const tables: Record<string, [string, string, string][]> = {
  'every listener for devices': [
    ['headers of a request, its first line included', bytes(deviceBounds.headerBytes), 'routes'],
    ['from the first byte of a request to the end of its headers', time(deviceBounds.headersTimeoutMs), 'routes'],
    ['from the first byte of a request to the end of its body', time(deviceBounds.requestTimeoutMs), 'routes'],
    ['a connection on which no byte moves', time(deviceBounds.idleTimeoutMs), 'routes'],
    ['TLS handshake', time(deviceBounds.handshakeTimeoutMs), 'routes'],
    ['an answer of the site', time(deviceBounds.relayTimeoutMs), 'routes'],
    ['notices: between two signs of life', time(protocol.noticeBounds.aliveIntervalMs), 'notice'],
    ['notices: silence of the gateway', time(protocol.noticeBounds.silenceTimeoutMs), 'notice'],
    ['notices: a line', bytes(protocol.noticeBounds.lineBytes), 'notice'],
    ['notices: longest time over which devices are spread', time(protocol.noticeBounds.longestSpreadMs), 'notice'],
    ['renewal with an expired certificate', time(protocol.EXPIRED_CERTIFICATE_GRACE_MS), 'routes'],
  ],
  'documents of the device plane': [
    ['gateways in a bundle', most(protocol.EnrolmentBundle, 'gateways'), 'enrolment'],
    ['enrolment token', longest(protocol.EnrolmentRequest, 'token'), 'enrolment'],
    ['certificate request', longest(protocol.EnrolmentRequest, 'csr'), 'enrolment'],
    ['keys that sign policy', most(protocol.SiteTrust, 'policyKeys'), 'enrolment'],
    ['root of the catalogue', longest(protocol.SiteTrust, 'catalogueRoot'), 'enrolment'],
    ['deployments of a device', most(protocol.PolicyBody, 'deployments'), 'policy'],
    ['gateways in policy', most(protocol.PolicyBody, 'gateways'), 'policy'],
    ['packages of a deployment', most(protocol.PolicyDeployment, 'packages'), 'policy'],
    ['reasons against a deployment', most(protocol.PolicyDeployment, 'refusals'), 'policy'],
    ['origins of cloud storage', most(protocol.PolicyBody, 'cloudOrigins'), 'policy'],
    ['cancelled runs in policy', most(protocol.PolicyBody, 'cancelledRuns'), 'policy'],
    ['paused runs in policy', most(protocol.PolicyBody, 'pausedRuns'), 'policy'],
    ['variables of device and collections in policy', count(protocol.POLICY_VARIABLES), 'policy'],
    ['orders of the debugger in policy', most(protocol.PolicyBody, 'debugOrders'), 'policy'],
    ['instructions that the debugger shows', most(protocol.DebugState, 'steps'), 'debug'],
    ['breakpoints of a run', most(protocol.DebugState, 'breaks'), 'debug'],
    ['variables that the debugger shows', most(protocol.DebugState, 'variables'), 'debug'],
    [
      'names and values of variables that the debugger shows',
      `${protocol.debugBounds.variableText.toLocaleString('en')} characters`,
      'debug',
    ],
    ['end of the log that the debugger shows', longest(protocol.DebugState, 'log'), 'debug'],
    ['signatures of a document', most(protocol.Envelope, 'signatures'), 'dsse'],
    ['contents of one content token', most(protocol.ContentTokenRequest, 'contents'), 'content'],
    ['objects of one request for addresses', most(protocol.ContentUrlsRequest, 'objects'), 'content'],
    ['content token', longest(protocol.ContentUrlsRequest, 'token'), 'content'],
    ['layout root that comes with its grant', bytes(protocol.GRANTED_ROOT_BYTES), 'content'],
    ['layout roots of one answer with grants', bytes(protocol.GRANTED_ROOTS_BYTES), 'content'],
    ['page that comes with its address', bytes(protocol.PAGE_WITH_ADDRESS_BYTES), 'content'],
    ['pages of one answer with addresses', bytes(protocol.PAGES_OF_ANSWER_BYTES), 'content'],
    ['signed address', longest(protocol.ContentUrlsAnswer.shape.objects.element, 'url'), 'content'],
    ['gateways that hold a content', most(protocol.ContentGrant, 'sources'), 'content'],
    ['cloud distribution points that hold a content', most(protocol.ContentGrant, 'points'), 'content'],
    ['sources that are passed over', most(protocol.ContentGrant, 'passedOver'), 'content'],
    ['status messages of one request', most(protocol.StatusRequest, 'messages'), 'status'],
    ['contents that a device lists of its cache', count(protocol.MAX_CACHE_CONTENTS), 'status'],
    ['name of a device, its make or model', longest(protocol.DeviceFacts, 'model'), 'facts'],
    ['capabilities of an agent', most(protocol.AgentInfo, 'capabilities'), 'facts'],
  ],
  link: [
    ['window of a stream', bytes(linkBounds.streamWindowBytes), 'link'],
    ['window of a connection', bytes(linkBounds.sessionWindowBytes), 'link'],
    ['requests on the way at once, on either connection', count(linkBounds.streams), 'link'],
    ['between two pings', time(linkBounds.pingIntervalMs), 'link'],
    ['answer to a ping', time(linkBounds.pingTimeoutMs), 'link'],
    ['between two signs of life of the site', time(linkBounds.aliveIntervalMs), 'link'],
    ['silence of the site', time(linkBounds.silenceTimeoutMs), 'link'],
    ['line of a stream', bytes(linkBounds.lineBytes), 'link'],
    ['devices that one event names', count(linkBounds.syncDevices), 'link'],
    ['report of a gateway', bytes(linkBounds.reportBytes), 'link'],
    ['polls that go together', count(protocol.batchBounds.requests), 'link-batch'],
    ['how long a poll waits for others', time(protocol.batchBounds.gatherMs), 'link-batch'],
    ['body of a poll that goes together with others', bytes(protocol.batchBounds.requestBytes), 'link-batch'],
    ['polls that go together, all of them', bytes(protocol.batchBounds.bytes), 'link-batch'],
    ['answer to one of them', bytes(protocol.batchBounds.answerBytes), 'link-batch'],
    ['revoked certificates', most(protocol.GatewayConfiguration, 'revokedCertificates'), 'link'],
    ['cloud distribution points', most(protocol.GatewayConfiguration, 'distributionPoints'), 'link'],
  ],
  'admin API': [
    ['body of a request', bytes(adminRoutes.site.maxBodyBytes), 'admin/route'],
    ['body with a sequence', bytes(adminRoutes.applySequence.maxBodyBytes), 'admin/sequence'],
    ['body with members of a collection', bytes(adminRoutes.setCollectionMembers.maxBodyBytes), 'admin/collection'],
    ['text of a sequence', longest(protocol.SequenceApply, 'text'), 'admin/sequence'],
    ['members of a collection', most(adminRoutes.setCollectionMembers.body, 'members'), 'admin/collection'],
    ['name of a thing', longest(protocol.PackageImport, 'name'), 'admin/route'],
    ['path of a folder', longest(protocol.PackageImport, 'folder'), 'admin/package'],
    ['labels of a package', count(protocol.MAX_LABELS), 'label'],
    ['value of a label', characters(protocol.LabelValue.maxLength ?? 0), 'label'],
    ['variables of a collection or a device', count(protocol.MAX_OWN_VARIABLES), 'admin/variables'],
    ['devices in an answer of what an update costs', count(protocol.MAX_COSTED_DEVICES), 'admin/package-costs'],
    ['their names and values together', characters(protocol.MAX_OWN_VARIABLE_TEXT), 'admin/variables'],
    ['targets of one distribution', most(protocol.DistributeRequest, 'to'), 'admin/distribution'],
    ['uses of an enrolment token', count(greatest(protocol.DeviceTokenCreate, 'uses')), 'admin/device-token'],
    ['shortest life of an enrolment token', time(least(protocol.DeviceTokenCreate, 'lifeMs')), 'admin/device-token'],
    ['longest life of an enrolment token', time(greatest(protocol.DeviceTokenCreate, 'lifeMs')), 'admin/device-token'],
    ['roles of a token or an administrator', most(protocol.Grant, 'roles'), 'admin/api-token'],
    ['collections of a scope', most(protocol.Grant, 'collections'), 'admin/api-token'],
    ['longest life of a token of the admin API', time(greatest(protocol.ApiTokenCreate, 'lifeMs')), 'admin/api-token'],
    ['lines of a page of the audit', most(protocol.AuditPage, 'lines'), 'admin/audit'],
    ['items of a page of a list that grows with the fleet', count(protocol.MAX_PAGE), 'admin/page'],
    ['body of a sign-in', bytes(protocol.SIGN_IN_BODY_BYTES), 'admin/sign-in'],
    ['shortest password', characters(protocol.NewPassword.minLength ?? 0), 'admin/administrator'],
    ['longest password', characters(protocol.NewPassword.maxLength ?? 0), 'admin/administrator'],
  ],
  content: [
    ['manifest or layout page, plain', bytes(protocol.MAX_PAGE_BYTES), 'content'],
    ['manifest or layout root', bytes(protocol.MAX_ROOT_BYTES), 'content'],
    ['pack', bytes(protocol.MAX_PACK_BYTES), 'content'],
    ['pages of a version', most(protocol.ManifestRoot, 'pages'), 'content'],
    ['packs of a version', most(protocol.LayoutRoot, 'packs'), 'content'],
  ],
  'a sequence file': [
    ['name of a sequence', longest(Sequence, 'name'), 'sequence'],
    ['description of a sequence', longest(Sequence, 'description'), 'sequence'],
    ['estimated run time', `${count(greatest(Sequence, 'estimatedRunTimeMinutes'))} min`, 'sequence'],
    ['maximum run time', `${count(greatest(Sequence, 'maximumRunTimeMinutes'))} min`, 'sequence'],
    ['lines of a confirmation', most(Sequence, 'confirmation.text'), 'sequence'],
    ['inputs', most(Sequence, 'inputs'), 'sequence'],
    ['pattern of an input', longest(SequenceInput, 'pattern'), 'sequence'],
    ['value of an input', characters(greatest(SequenceInput, 'maxLength')), 'sequence'],
    ['groups and steps in a list', most(Sequence, 'steps'), 'sequence'],
    ['name of a step', longest(RunCommandLineStep, 'name'), 'steps/fields'],
    ['time-out of a step', `${count(greatest(RunCommandLineStep, 'timeoutMinutes'))} min`, 'steps/fields'],
    ['command line', longest(RunCommandLineStep, 'commandLine'), 'steps/general'],
    ['success codes', most(RunCommandLineStep, 'successCodes'), 'steps/fields'],
    ['packages of one download step', most(protocol.DownloadPackageContentStep, 'packages'), 'steps/software'],
    ['patterns of files of a step', most(RunCommandLineStep, 'files'), 'steps/package-choice'],
    ['candidates of a choice', most(RunCommandLineStep, 'package.candidates'), 'steps/package-choice'],
    ['labels that candidates are asked for by', count(protocol.MAX_QUERY_LABELS), 'label'],
    ['packages with those that labels bring in', count(protocol.MAX_REFERENCED_PACKAGES), 'label'],
    ['notice of a restart', longest(protocol.RestartComputerStep, 'message'), 'steps/general'],
    ['wait before a restart', `${count(greatest(protocol.RestartComputerStep, 'timeoutSeconds'))} s`, 'steps/general'],
    ['variables that are set at the start', most(Sequence, 'variables'), 'sequence'],
    ['conditions in a list', most(protocol.Condition, 'all'), 'condition'],
    ['condition of an unknown kind', longest(protocol.KeptCondition, 'kept'), 'condition'],
    ['query of an imported condition', longest(protocol.WmiCondition, 'wmi'), 'condition'],
    ['command line of an imported step', longest(protocol.OriginalStep, 'action'), 'original'],
    ['variables of an imported step', most(protocol.OriginalStep, 'variables'), 'original'],
  ],
  'deployments and client settings': [
    ['tries again for the content of a step', count(greatest(DeploymentSettings, 'downloadRetryCount')), 'deployment'],
    ['wait between two tries', time(greatest(DeploymentSettings, 'downloadRetryDelayMs')), 'deployment'],
    ['pauses of a run by its user, in all', time(greatest(DeploymentSettings, 'userPauseMs')), 'deployment'],
    ['shortest policy polling interval', time(least(ClientSettings, POLLING)), 'client-settings'],
    ['longest policy polling interval', time(greatest(ClientSettings, POLLING)), 'client-settings'],
    ['smallest cache', bytes(least(ClientSettings, 'clientCache.maxBytes')), 'client-settings'],
    ['largest cache', bytes(greatest(ClientSettings, 'clientCache.maxBytes')), 'client-settings'],
    [
      'cached content stays at least, at most',
      time(greatest(ClientSettings, 'clientCache.minimumAgeMs')),
      'client-settings',
    ],
    [
      'slowest rate of the throttling window',
      `${count(least(ClientSettings, 'contentTransfer.insideKbps'))} Kbps`,
      'content-transfer',
    ],
    [
      'fastest rate of the throttling window',
      `${count(greatest(ClientSettings, 'contentTransfer.insideKbps'))} Kbps`,
      'content-transfer',
    ],
    [
      'largest budget of metered connections',
      bytes(greatest(ClientSettings, 'meteredInternet.budgetBytes')),
      'content-transfer',
    ],
    ['name of the organisation', longest(ClientSettings, 'computerAgent.organizationName'), 'client-settings'],
    ['starts without fresh policy', time(greatest(ClientSettings, 'offlineStartMs')), 'client-settings'],
  ],
}

const inPage = (what: string, lines: string[]): void => {
  const text = lines.join('\n')
  assert.ok(page.includes(`\n${text}\n`), `docs/limits.md, ${what}: the code has\n\n${text}\n`)
}

describe('docs/limits.md has the bounds of the protocol', () => {
  for (const [what, rows] of Object.entries(tables))
    test(what, () =>
      inPage(
        what,
        rows.map(([name, value, file]) => `| ${name} | ${value} | \`protocol/src/${file}.ts\` |`),
      ),
    )

  test('every route of the device plane', () => {
    const callers = { anonymous: 'anybody', device: 'device', deviceOrExpired: 'device, also expired' }
    const rows = Object.entries(deviceRoutes).map(
      ([id, { method, path, identity, answeredBy, maxBodyBytes, maxAnswerBytes }]) =>
        `| \`${id}\` | \`${method} ${path}\` | ${callers[identity]} | ${answeredBy} | ${bytes(maxBodyBytes)} | ${bytes(maxAnswerBytes)} |`,
    )
    inPage('routes', rows)
  })

  test('and claims no others', () => {
    const claimed = page.split('\n').filter((line) => line.endsWith('.ts` |') && line.includes('`protocol/src/'))
    assert.equal(claimed.length, Object.values(tables).flat().length)
  })
})

/** Number and unit of a cell such as `64 MiB`. */
function numberOf(cell: string): number {
  const [, digits = '', unit = ''] = /^([\d.,]+)(?: ([A-Za-z]+))?/.exec(cell) ?? []
  const units: Record<string, number> = {
    ...{ KiB, MiB, MB: 1_000_000, s: 1_000, min: 60_000, h: HOUR_MS, days: DAY_MS, years: 365 * DAY_MS },
  }
  return Number(digits.replaceAll(',', '')) * (units[unit] ?? 1)
}

/** A constant, field or default parameter in a source text; only products of numbers and of these names are understood. */
function valueIn(source: string, name: string): number | undefined {
  const names: Record<string, number> = { KiB, MiB, HOUR: HOUR_MS, HOUR_MS, DAY: DAY_MS, DAY_MS }
  const factor = `(?:\\d[\\d_.]*|${Object.keys(names).join('|')})\\b`
  const value = `(${factor}(?:\\s*\\*\\s*${factor})*)`
  const found = new RegExp(`\\b${name}\\s*[=:]\\s*(?:z\\b[^,]{0,200}?\\.default\\(\\s*)?${value}`).exec(source)?.[1]
  return found
    ?.split('*')
    .map((part) => names[part.trim()] ?? Number(part.trim().replaceAll('_', '')))
    .reduce((product, each) => product * each, 1)
}

test('docs/limits.md has the bounds of the other packages', async () => {
  const rows = [...page.matchAll(/^\| (.+?) \| (.+?) \| `((?!protocol\/)[\w/.-]+\.ts)`(?:, `(\w+)`)? \|$/gm)]
  const faults: string[] = []
  for (const [, what = '', cell = '', file = '', name] of rows) {
    const source = await readFile(new URL(`packages/${file}`, root), 'utf8').catch(() => undefined)
    if (source === undefined) faults.push(`${what}: there is no packages/${file}`)
    if (source === undefined || name === undefined) continue
    const value = valueIn(source, name)
    // The page is in milliseconds and bytes; a few names say that they are not.
    const unit = name.endsWith('_S') ? 1_000 : name.endsWith('_MB') ? MiB : 1
    if (value === undefined) faults.push(`${what}: there is no number ${name} in packages/${file}`)
    else if (numberOf(cell) !== value * unit)
      faults.push(`${what}: the page says ${cell}; ${name} in packages/${file} is ${value}`)
  }
  assert.deepEqual(faults, [])
  assert.ok(rows.length > 100)
})
