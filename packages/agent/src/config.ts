/** The agent's configuration: one JSON file, parsed once. Paths in it are relative to its folder. */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DeviceFacts, failed, ok, ProxySettings, problem, type Result } from '@sluice/protocol'
import { z } from 'zod'

const SHUTDOWN =
  process.platform === 'win32' ? ['shutdown.exe', '/r', '/t', '0', '/d', 'p:4:2'] : ['/sbin/shutdown', '-r', 'now']
const Path = z.string().min(1).max(4000)

export const AgentConfig = z.strictObject({
  /** The agent's own folder: keys, state, cache, logs. */
  stateFolder: Path,
  /** Root of the operating system that is managed. */
  osRoot: Path.default('/'),
  /** File with the enrolment bundle; needed until the device is enrolled. */
  enrolmentBundle: Path,
  /** PEM files of this computer's certificate of the organisation's PKI and of its key: proof for the enrolment. */
  organisationCertificate: z.strictObject({ certificate: Path, key: Path }).optional(),
  /** PEM files of authorities that sign certificates of gateways, besides the site's own. */
  gatewayAuthorities: z.array(Path).max(20).default([]),
  /** What lies between the device and its gateways. */
  proxy: ProxySettings.optional(),
  /** Shown to the user in Software Center. */
  organisation: z.string().max(100).default(''),
  softwareCenter: z
    .strictObject({
      /** Loopback only: Software Center is for the users of this device. */
      host: z.enum(['127.0.0.1', '::1']).default('127.0.0.1'),
      /** 0: any free port; the one used before is taken again when it is free. */
      port: z.int().min(0).max(65_535).default(0),
    })
    .prefault({}),
  /** The built web app. */
  consoleFolder: Path.default(fileURLToPath(new URL('../../console/dist', import.meta.url))),
  /** How the device is restarted when a step asks for it. */
  restart: z
    .discriminatedUnion('kind', [
      /** Program and arguments, run without a shell. */
      z.strictObject({ kind: z.literal('command'), argv: z.array(z.string().max(4000)).min(1).max(50) }),
      /** The agent ends with this exit code; what started it does the rest. */
      z.strictObject({ kind: z.literal('exit'), code: z.int().min(1).max(255) }),
    ])
    .default({ kind: 'command', argv: SHUTDOWN }),
  /** File whose text names the present boot, where what boots the device knows better than the kernel. */
  bootFile: Path.optional(),
  /** Whether the line costs by the byte; `detect`: as NetworkManager says. */
  metered: z.enum(['detect', 'yes', 'no']).default('detect'),
  /** Folders whose files may supply chunks of contents, so that these need not be fetched. */
  seedFolders: z.array(Path).max(20).default([]),
  /** `smsts.log`: bytes (LogMaxSize) before it is put aside, and how many of those are kept (LogMaxHistory). */
  smstsLog: z
    .strictObject({
      maxBytes: z.int().min(10_000).max(1e9).default(2_000_000),
      history: z.int().min(0).max(100).default(5),
    })
    .prefault({}),
  /** Facts that are told and not found out: a device in a namespace sees the firmware of its host. */
  facts: z.strictObject(DeviceFacts.partial().shape).default({}),
})
export type AgentConfig = z.infer<typeof AgentConfig>

/** Reads and checks the file; all paths in the result are absolute. `CONFIGURATION_INVALID` names file and fields. */
export async function loadConfig(path: string): Promise<Result<AgentConfig>> {
  let document: unknown
  try {
    document = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    return failed(problem('CONFIGURATION_INVALID', `${path}: ${error instanceof Error ? error.message : error}`))
  }
  const parsed = AgentConfig.safeParse(document)
  if (!parsed.success) {
    const errors = parsed.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message }))
    const places = errors.map((fault) => `${fault.path || 'the file'}: ${fault.message}`).join('; ')
    return failed(problem('CONFIGURATION_INVALID', `${path}: ${places}`, { errors }))
  }
  const from = (relative: string) => resolve(dirname(path), relative)
  const config = parsed.data
  return ok({
    ...config,
    stateFolder: from(config.stateFolder),
    osRoot: from(config.osRoot),
    enrolmentBundle: from(config.enrolmentBundle),
    ...(config.organisationCertificate === undefined
      ? {}
      : {
          organisationCertificate: {
            certificate: from(config.organisationCertificate.certificate),
            key: from(config.organisationCertificate.key),
          },
        }),
    consoleFolder: from(config.consoleFolder),
    seedFolders: config.seedFolders.map(from),
    gatewayAuthorities: config.gatewayAuthorities.map(from),
    ...(config.proxy?.credentialsFile === undefined
      ? {}
      : { proxy: { ...config.proxy, credentialsFile: from(config.proxy.credentialsFile) } }),
    ...(config.bootFile === undefined ? {} : { bootFile: from(config.bootFile) }),
  })
}
