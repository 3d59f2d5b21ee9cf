/**
 * Which site, which token, which authority: resolved once, from the options, then the environment,
 * then the connection file. The site writes such a file into its data folder.
 */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { failLocally } from './local-failure.ts'

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

/** @throws LocalFailure that names what is missing or wrong */
export async function resolveConnection(
  options: ConnectionOptions,
  env: Record<string, string | undefined>,
): Promise<Connection> {
  const file = options.connection ?? env.SLUICE_CONNECTION
  const stored = file === undefined ? {} : await readConnectionFile(file)
  const url = options.site ?? env.SLUICE_SITE ?? stored.url
  const tokenFile = options.tokenFile ?? env.SLUICE_TOKEN_FILE ?? stored.tokenFile
  const authorityFile = options.authority ?? env.SLUICE_AUTHORITY ?? stored.authority

  if (url === undefined) return missing('the address of the site', '--site', 'SLUICE_SITE')
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:')
    failLocally(`The address of the site, ${url}, is not an https address.`)
  if (tokenFile === undefined) return missing('the token of the administrator', '--token-file', 'SLUICE_TOKEN_FILE')
  if (authorityFile === undefined) return missing('the authority of the site', '--authority', 'SLUICE_AUTHORITY')

  const token = (await readText(tokenFile)).trim()
  if (!/^[A-Za-z0-9_-]{1,200}$/.test(token)) failLocally(`${tokenFile} does not hold a token.`)
  const authority = await readText(authorityFile)
  if (!authority.includes('-----BEGIN CERTIFICATE-----'))
    failLocally(`${authorityFile} does not hold a certificate in PEM.`)
  return { url, token, authority }
}

const missing = (what: string, option: string, variable: string): never =>
  failLocally(`Nothing says ${what}: give ${option} or --connection, or set ${variable}.`)

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
  const bytes = await readFile(file)
  if (bytes.length > MAX_FILE_BYTES) failLocally(`${file} is larger than ${MAX_FILE_BYTES} bytes.`)
  return bytes.toString('utf8')
}
