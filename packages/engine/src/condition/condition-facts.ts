/** Conditions that ask the device: registry, installed software, version, identity, scripts (configmgr-behaviour §3.7, §3.10). */
import type { Compare, Condition } from '@sluice/protocol'
import type { Host } from '../host.ts'
import { interpreterOf } from '../run/interpreter.ts'
import { expand, type Variables } from '../run/variables.ts'
import { compareValues, holds } from './compare.ts'
import { likeText } from './wildcard.ts'

type AskingHost = Pick<Host, 'facts' | 'machine' | 'registry' | 'software' | 'probeScript'>
type Kind<K extends string> = Extract<Condition, Record<K, unknown>>
export type FactCondition =
  | Kind<'registry'>
  | Kind<'software'>
  | Kind<'osVersion'>
  | Kind<'make'>
  | Kind<'computer'>
  | Kind<'defaultGateway'>
  | Kind<'script'>

/** What was found, and whether it holds; `failure`: it could not be decided. */
export interface Found {
  what: string
  result: boolean
  failure?: string
}

const DEFAULT_SCRIPT_SECONDS = 60

export function ofFacts(condition: FactCondition, variables: Variables, host: AskingHost): Promise<Found> {
  if ('registry' in condition) return ofRegistry(condition, variables, host)
  if ('software' in condition) return ofSoftware(condition, host)
  if ('osVersion' in condition) return ofOsVersion(condition, host)
  if ('make' in condition) return ofMakeAndModel(condition, host)
  if ('computer' in condition) return ofComputer(condition, host)
  if ('defaultGateway' in condition) return ofGateway(condition, host)
  return ofScript(condition, host)
}

/** With `exists` the type must match where one is given; with comparisons it does not count (task-sequence-xml §7). */
async function ofRegistry(condition: Kind<'registry'>, variables: Variables, host: AskingHost): Promise<Found> {
  const { operator, value, type, data = '' } = condition
  const key = expand(condition.registry, variables)
  const wanted = expand(data, variables)
  if (!key.ok || !wanted.ok) return { what: `registry ${condition.registry}: too long`, result: false }
  const name = value === undefined || value === '' ? undefined : value
  const found = await host.registry(key.value.value, name)
  const subject = `registry ${key.value.shown}${name === undefined ? '' : ` : ${name}`}`
  if (operator === 'exists' || operator === 'notExists') {
    const isThere =
      name === undefined
        ? found !== undefined
        : found !== undefined && found !== 'key' && (type === undefined || found.type === type)
    return { what: `${subject} ${isThere ? 'is there' : 'is not there'}`, result: isThere === (operator === 'exists') }
  }
  if (found === undefined || found === 'key')
    return { what: `${subject} is not there`, result: operator === 'notEquals' }
  const result = holds(operator, compareValues(found.data, wanted.value.value))
  return {
    what: `${subject} is "${found.data.slice(0, 200)}", ${comparisonWords[operator]} "${wanted.value.shown}"`,
    result,
  }
}

async function ofSoftware(condition: Kind<'software'>, host: AskingHost): Promise<Found> {
  const { software: name, operator, productCode, upgradeCode, version } = condition
  const found = await host.software({ name, productCode, upgradeCode })
  const what = `software ${name}: ${found.length === 0 ? 'not installed' : `version ${found.slice(0, 5).join(', ')}`}`
  if (operator === 'anyVersion' || version === undefined || version === '') return { what, result: found.length > 0 }
  return { what: `${what}, must be ${version}`, result: found.some((one) => compareValues(one, version) === 0) }
}

const architectures: Readonly<Record<string, string>> = { x86: 'ia32', x64: 'x64', arm64: 'arm64' }

async function ofOsVersion(condition: Kind<'osVersion'>, host: AskingHost): Promise<Found> {
  const { osVersion, architecture, operator, platform = 'windows' } = condition
  const facts = await host.facts()
  const what = `${facts.platform} ${facts.os.version} ${facts.architecture}, ${platform} ${comparisonWords[operator]} ${osVersion} ${architecture}`
  const wanted = architecture.trim().toLowerCase()
  const isArchitecture = wanted === '' || facts.architecture === (architectures[wanted] ?? wanted)
  const isVersion = osVersion === '' || holds(operator, compareValues(facts.os.version, osVersion))
  return { what: what.trimEnd(), result: facts.platform === platform && isArchitecture && isVersion }
}

async function ofMakeAndModel({ make, model }: Kind<'make'>, host: AskingHost): Promise<Found> {
  const { manufacturer, model: found } = await host.facts()
  const what = `make "${manufacturer}" and model "${found}", must be like "${make}" and "${model}"`
  return { what, result: likeText(manufacturer, make) && likeText(found, model) }
}

async function ofComputer({ computer }: Kind<'computer'>, host: AskingHost): Promise<Found> {
  const [{ serialNumber }, machine] = [await host.facts(), await host.machine()]
  const same = (found: string | undefined, wanted: string | undefined): boolean =>
    wanted !== undefined && wanted !== '' && found !== undefined && plain(found) === plain(wanted)
  const result =
    same(machine.assetTag, computer.assetTag) ||
    same(serialNumber, computer.serialNumber) ||
    same(machine.uuid, computer.uuid) ||
    machine.macAddresses.some((address) => same(address, computer.macAddress))
  const asked = Object.entries(computer).map(([name, value]) => `${name} ${value}`)
  return { what: `computer with ${asked.join(' or ')}`, result }
}

/** Addresses and ids are written with dashes, colons or braces, in either case. */
const plain = (text: string): string =>
  text
    .trim()
    .toLowerCase()
    .replace(/[{}:\s-]/g, '')

async function ofGateway({ defaultGateway }: Kind<'defaultGateway'>, host: AskingHost): Promise<Found> {
  const { defaultGateways } = await host.machine()
  const what = `default gateway ${defaultGateways.join(', ') || 'none'}, must be ${defaultGateway.join(' or ')}`
  return { what, result: defaultGateway.some((one) => defaultGateways.includes(one)) }
}

async function ofScript(condition: Kind<'script'>, host: AskingHost): Promise<Found> {
  const { script, timeoutSeconds = DEFAULT_SCRIPT_SECONDS } = condition
  const { platform } = await host.facts()
  const named = condition.interpreter ?? (platform === 'windows' ? 'powershell' : 'sh')
  const interpreter = interpreterOf(named, platform)
  if (!interpreter.ok) return { what: `script for ${named}`, result: false, failure: interpreter.problem.detail }
  const { words: argv, ending } = interpreter.value
  const asked = { text: script, argv, at: argv.length, name: `condition${ending}` }
  const ended = await host.probeScript(asked, timeoutSeconds * 1000)
  if ('why' in ended) return { what: `script for ${named}`, result: false, failure: ended.why }
  return { what: `script for ${named} ended with ${ended.exitCode}`, result: ended.exitCode === 0 }
}

/** As a decision says it. */
export const comparisonWords: Record<Compare, string> = {
  equals: 'must equal',
  notEquals: 'must not equal',
  less: 'must be less than',
  lessEqual: 'must be at most',
  greater: 'must be greater than',
  greaterEqual: 'must be at least',
}
