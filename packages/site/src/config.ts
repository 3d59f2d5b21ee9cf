/** The configuration of a site: one file, read once at the start. */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { failed, ok, type ProblemDetail, ProxySettings, problem, type Result } from '@sluice/protocol'
import { z } from 'zod'
import { SignOnConfig } from './administrators/sign-in/sign-on.ts'

const MAX_CONFIG_BYTES = 1024 * 1024

export const SiteConfig = z.strictObject({
  /** Everything the site keeps, its keys included. Made when it is not there. */
  dataFolder: z.string().min(1).max(4000),
  /** Where the content library lies when not in the data folder: several processes of a site share it. */
  contentFolder: z.string().min(1).max(4000).optional(),
  /** For people. */
  name: z.string().min(1).max(255).default('Sluice'),
  /** Three letters or digits with which the ids of packages begin, as in `ABC00001`. */
  siteCode: z
    .string()
    .regex(/^[A-Z0-9]{3}$/)
    .default('SLU'),
  /** Where the admin API listens; port 0 takes any free one. */
  admin: z
    .strictObject({
      host: z.string().min(1).max(255).default('127.0.0.1'),
      port: z.int().min(0).max(65_535).default(8443),
      /** Where browsers find it, when that is not host and port: passkeys and sign-on are bound to it. */
      url: z
        .url()
        .refine(
          (url) => new URL(url).protocol === 'https:' && new URL(url).pathname === '/',
          'an https address without a path',
        )
        .optional(),
      signOn: SignOnConfig.optional(),
    })
    .prefault({}),
  /** What lies between the site and its gateways; they are dialled directly without it. */
  linkProxy: ProxySettings.optional(),
  /** SQLite lies in the data folder. */
  database: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('sqlite') }),
      z.strictObject({ kind: z.literal('postgres'), url: z.string().min(1).max(4000) }),
    ])
    .default({ kind: 'sqlite' }),
})
export type SiteConfig = z.infer<typeof SiteConfig>

/** Reads and checks the file. @returns `CONFIGURATION_INVALID` with every fault; a relative folder counts from that of the file */
export async function readSiteConfig(path: string): Promise<Result<SiteConfig>> {
  const invalid = (errors: ProblemDetail[]) => {
    const faults = errors.map((error) => (error.path === '' ? error.message : `${error.path}: ${error.message}`))
    return failed(problem('CONFIGURATION_INVALID', `${path}: ${faults.join('; ')}`, { errors }))
  }
  let value: unknown
  try {
    const text = await readFile(path, 'utf8')
    if (text.length > MAX_CONFIG_BYTES) return invalid([{ path: '', message: 'the file is too large' }])
    value = JSON.parse(text)
  } catch (error) {
    return invalid([{ path: '', message: error instanceof Error ? error.message : String(error) }])
  }
  const parsed = SiteConfig.safeParse(value)
  if (!parsed.success)
    return invalid(parsed.error.issues.map((issue) => ({ path: z.core.toDotPath(issue.path), message: issue.message })))
  const near = (name: string) => resolve(dirname(path), name)
  const { signOn } = parsed.data.admin
  if (signOn?.clientSecretFile !== undefined) signOn.clientSecretFile = near(signOn.clientSecretFile)
  const { linkProxy } = parsed.data
  if (linkProxy?.credentialsFile !== undefined) linkProxy.credentialsFile = near(linkProxy.credentialsFile)
  const { dataFolder, contentFolder } = parsed.data
  return ok({
    ...parsed.data,
    dataFolder: near(dataFolder),
    ...(contentFolder === undefined ? {} : { contentFolder: near(contentFolder) }),
  })
}
