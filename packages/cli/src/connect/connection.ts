/**
 * Which site, which token, which authority: resolved once, from the options, then the environment,
 * then the connection file. The site writes such a file into its data folder.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { failLocally } from '../local-failure.ts'
import { readLocalFile } from '../local-file.ts'

export interface Connection {
  /** Of the admin API, `https:` only. */
  url: string
  token: string
  /** PEM; nothing else is trusted. */
  authority: string
}

export interface ConnectionOptions {
  connection?: string
  site?: string
  tokenFile?: string
  authority?: string
}

const MAX_FILE_BYTES = 1024 * 1024

type Env = Record<string, string | undefined>

/** @throws LocalFailure that names what is missing or wrong */
export async function resolveConnection(options: ConnectionOptions, env: Env): Promise<Connection> {
  const { tokenFile, ...endpoint } = await resolveEndpoint(options, env)
  if (tokenFile === undefined) return missing('who you are', '--token-file', 'SLUICE_TOKEN_FILE', ' Or: sluice login.')
  const token = (await readText(tokenFile)).trim()
  if (!/^[A-Za-z0-9_-]{1,200}$/.test(token)) failLocally(`${tokenFile} does not hold a token.`)
  return { ...endpoint, token }
}

/** The site alone, and the file with the token if there is one: that of `sluice login` before the one of the connection file. */
export async function resolveEndpoint(
  options: ConnectionOptions,
  env: Env,
): Promise<Omit<Connection, 'token'> & { tokenFile: string | undefined }> {
  const file = options.connection ?? said(env.SLUICE_CONNECTION)
  const stored = file === undefined ? {} : await readConnectionFile(file)
  const url = options.site ?? said(env.SLUICE_SITE) ?? stored.url
  const authorityFile = options.authority ?? said(env.SLUICE_AUTHORITY) ?? stored.authority

  if (url === undefined) return missing('the address of the site', '--site', 'SLUICE_SITE')
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:')
    failLocally(`The address of the site, ${url}, is not an https address.`)
  if (authorityFile === undefined) return missing('the authority of the site', '--authority', 'SLUICE_AUTHORITY')

  const authority = await readText(authorityFile)
  if (!authority.includes('-----BEGIN CERTIFICATE-----'))
    failLocally(`${authorityFile} does not hold a certificate in PEM.`)
  const saved = sessionFile(url, env)
  const signedIn = saved !== undefined && existsSync(saved) ? saved : undefined
  return { url, authority, tokenFile: options.tokenFile ?? said(env.SLUICE_TOKEN_FILE) ?? signedIn ?? stored.tokenFile }
}

/** A variable that is set to nothing counts as not set. */
const said = (value: string | undefined): string | undefined => (value === '' ? undefined : value)

/** Where `sluice login` keeps the session at a site (XDG base directories); undefined where nobody has a home. */
export function sessionFile(url: string, env: Env): string | undefined {
  const state = env.XDG_STATE_HOME ?? (env.HOME === undefined ? undefined : join(env.HOME, '.local/state'))
  const name = createHash('sha256').update(new URL(url).origin).digest('hex').slice(0, 16)
  return state === undefined ? undefined : join(state, 'sluice', `${name}.session`)
}

const missing = (what: string, option: string, variable: string, more = ''): never =>
  failLocally(`Nothing says ${what}: give ${option} or --connection, or set ${variable}.${more}`)

/** Names of files in it are relative to its folder. */
async function readConnectionFile(file: string): Promise<Partial<Record<'url' | 'authority' | 'tokenFile', string>>> {
  const text = await readText(file)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return failLocally(`${file} is not JSON.`)
  }
  const field = (name: string): string => {
    const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
    return typeof found === 'string' && found !== ''
      ? found
      : failLocally(`${file}: the field ${name} is missing or is not text.`)
  }
  const near = (name: string): string => resolve(dirname(file), field(name))
  return { url: field('url'), authority: near('authority'), tokenFile: near('tokenFile') }
}

async function readText(file: string): Promise<string> {
  return (await readLocalFile(file, MAX_FILE_BYTES)).toString('utf8')
}
