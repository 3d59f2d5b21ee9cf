/**
 * The configuration of a gateway: one JSON file, and the environment over it, read once. File names in it
 * are relative to its folder.
 */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { failed, GatewayId, ok, problem, type Result, SiteId } from '@sluice/protocol'
import { z } from 'zod'
import { reason } from '../log.ts'
import { withEnvironment } from './environment.ts'

/** Largest configuration file, certificate or key, in bytes. */
const MAX_FILE_BYTES = 1024 * 1024

const ListenAddress = z.strictObject({
  host: z.string().min(1).max(255),
  /** 0: any free port; the ready line says which. */
  port: z.int().min(0).max(65_535),
})
export type ListenAddress = z.infer<typeof ListenAddress>

const FileName = z.string().min(1).max(4_000)

/** Requests a second, and how many at once after a quiet time. */
const rate = (perSecond: number, burst: number) =>
  z
    .strictObject({
      perSecond: z.number().positive().default(perSecond),
      burst: z.int().positive().default(burst),
    })
    .prefault({})

export const GatewayLimits = z.strictObject({
  /** Connections of devices at once, on each listener. */
  connections: z.int().positive().default(20_000),
  /** The same from one address: a whole office may be behind one. */
  connectionsPerAddress: z.int().positive().default(5_000),
  /** Devices that listen for notices at once; the other connections are left for those that ask. */
  listeningDevices: z.int().positive().default(15_000),
  /** Requests on their way to the site at once. */
  relays: z.int().positive().default(1_000),
  /** Of these, for one device: an answer that it does not take holds memory here and at the site. */
  relaysPerDevice: z.int().positive().default(16),
  /** Of these, without a certificate. */
  anonymousRelays: z.int().positive().default(64),
  /** Bodies held in memory at once, in bytes. */
  bodyBytes: z
    .int()
    .positive()
    .default(256 * 1024 * 1024),
  /** Objects being sent at once; each takes up to 2 MiB of memory. */
  transfers: z.int().positive().default(256),
  transfersPerDevice: z.int().positive().default(32),
  /** Objects being pulled from the site at once. */
  pulls: z.int().positive().max(32).default(4),
  rates: z
    .strictObject({
      /** Connections from one address; a whole office that comes back is one. */
      connections: rate(500, 10_000),
      /** Requests from one address, whoever asks. */
      address: rate(10_000, 20_000),
      /** Requests of one device. */
      device: rate(200, 2_000),
      /** Enrolments from one address. */
      enrolment: rate(20, 200),
    })
    .prefault({}),
})
export type GatewayLimits = z.infer<typeof GatewayLimits>

/** A certificate for the listeners of devices and enrolment by HTTP-01. */
export const AcmeSettings = z.strictObject({
  kind: z.literal('acme'),
  directoryUrl: z.url({ protocol: /^https$/ }),
  /** Host names that lead here, the first as common name. */
  names: z.array(z.hostname().max(64)).min(1).max(20),
  email: z.email().optional(),
  /** Where the authority looks for the answer; it asks at port 80 of each name. */
  challenge: ListenAddress.default({ host: '0.0.0.0', port: 80 }),
  /** PEM that vouches for the directory itself, where no public authority does. */
  authorityFile: FileName.optional(),
})
export type AcmeSettings = z.infer<typeof AcmeSettings>

export const GatewayConfig = z.strictObject({
  gatewayId: GatewayId,
  siteId: SiteId,
  /** Everything that the gateway keeps: what it was told, its objects, its key for signed addresses. */
  dataFolder: FileName,
  listeners: z.union([
    /** One port for all, told apart by server name. */
    z.strictObject({ shared: ListenAddress }),
    z.strictObject({
      /** For computers without a certificate: enrolment and nothing else. */
      enrolment: ListenAddress,
      /** For devices with a certificate. */
      device: ListenAddress,
      /** For the connector of the site. */
      link: ListenAddress,
    }),
  ]),
  /** For whoever runs it: health, readiness and figures, without TLS. Absent: no such listener. */
  management: ListenAddress.optional(),
  /** What devices are shown; the certificate of the site when absent. The site is always shown its own. */
  serverCertificate: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('files'), certificateFile: FileName, keyFile: FileName }),
      AcmeSettings,
    ])
    .optional(),
  /** PEM of the certificate that the site gave, with its chain, and of its key. */
  certificateFile: FileName,
  keyFile: FileName,
  /** PEM of the authority that signs the connector's certificate. */
  linkAuthorityFile: FileName,
  /** Read and hash every object before serving; what is corrupt is pulled again. */
  scanAtStart: z.boolean().default(false),
  /** How long an object stays after no content refers to it any more, in milliseconds. */
  unreferencedGraceMs: z.int().nonnegative().default(3600_000),
  /** How long requests may go on after the gateway was told to end, in milliseconds. */
  drainMs: z.int().nonnegative().max(60_000).default(5_000),
  limits: GatewayLimits.prefault({}),
})
export type GatewayConfig = z.infer<typeof GatewayConfig>

export interface TlsMaterial {
  /** PEM. */
  certificate: string
  key: string
  linkAuthority: string
}

/** Reads the file and what it names. `CONFIGURATION_INVALID` names file and fields. */
export async function readGatewayConfig(
  file: string,
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<Result<{ config: GatewayConfig; tls: TlsMaterial }>> {
  const invalid = (detail: string, errors?: { path: string; message: string }[]) =>
    failed(problem('CONFIGURATION_INVALID', `${file}: ${detail}`, errors === undefined ? {} : { errors }))
  try {
    const parsed = GatewayConfig.safeParse(withEnvironment(JSON.parse(await readBounded(file)), env))
    if (!parsed.success) {
      const errors = parsed.error.issues.map(({ path, message }) => ({ path: path.join('.') || '(whole)', message }))
      return invalid(errors.map(({ path, message }) => `${path}: ${message}`).join('; '), errors)
    }
    const at = (name: string) => resolve(dirname(file), name)
    const { dataFolder, certificateFile, keyFile, serverCertificate: shown } = parsed.data
    const config = {
      ...parsed.data,
      dataFolder: at(dataFolder),
      certificateFile: at(certificateFile),
      keyFile: at(keyFile),
      ...(shown === undefined ? {} : { serverCertificate: shownAt(shown, at) }),
    }
    const [certificate, key, linkAuthority] = await Promise.all(
      [config.certificateFile, config.keyFile, config.linkAuthorityFile].map(async (name) => readBounded(at(name))),
    )
    if (certificate === undefined || key === undefined || linkAuthority === undefined) throw new Error('unreachable')
    try {
      createSecureContext({ cert: certificate, key, ca: linkAuthority })
    } catch (thrown) {
      return invalid(`certificate, key and authority cannot be used together: ${reason(thrown)}`)
    }
    return ok({ config, tls: { certificate, key, linkAuthority } })
  } catch (thrown) {
    return invalid(reason(thrown))
  }
}

type Shown = NonNullable<GatewayConfig['serverCertificate']>

function shownAt(shown: Shown, at: (name: string) => string): Shown {
  if (shown.kind === 'files')
    return { ...shown, certificateFile: at(shown.certificateFile), keyFile: at(shown.keyFile) }
  return shown.authorityFile === undefined ? shown : { ...shown, authorityFile: at(shown.authorityFile) }
}

/** @throws when the file is too large or cannot be read */
export async function readBounded(file: string): Promise<string> {
  const bytes = await readFile(file)
  if (bytes.length > MAX_FILE_BYTES) throw new Error(`${file} is larger than ${MAX_FILE_BYTES} bytes`)
  return bytes.toString('utf8')
}
