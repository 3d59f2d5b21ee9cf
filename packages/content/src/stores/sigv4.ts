/**
 * AWS Signature Version 4 for S3: Authentication with the `Authorization` header and with query
 * parameters (Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)").
 *
 * Own code, because it is shorter than what a library would take to be fed: paths are plain, all
 * bodies are in memory, and the gateway signs with it too, without loading a storage library.
 */
import { createHash, createHmac } from 'node:crypto'

export interface S3Credentials {
  accessKeyId: string
  secretAccessKey: string
  /** Of temporary credentials. */
  sessionToken?: string
}

export interface SignedRequest {
  method: string
  url: URL
  body: Uint8Array
  region: string
  credentials: S3Credentials
  nowMs: number
}

/** Gives the headers to send. The body is part of the signature, so storage refuses what was changed on the way. */
export function signHeaders({ method, url, body, region, credentials, nowMs }: SignedRequest): Record<string, string> {
  const at = timestamp(nowMs)
  const payload = createHash('sha256').update(body).digest('hex')
  const headers: Record<string, string> = {
    host: url.host,
    'x-amz-content-sha256': payload,
    'x-amz-date': at,
    ...(credentials.sessionToken === undefined ? {} : { 'x-amz-security-token': credentials.sessionToken }),
  }
  const names = Object.keys(headers).sort()
  const signed = names.join(';')
  const canonical = [
    method,
    url.pathname,
    canonicalQuery(url.searchParams),
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    signed,
    payload,
  ].join('\n')
  const scope = scopeOf(at, region)
  const signature = sign(canonical, at, scope, region, credentials)
  const { host: _, ...sent } = headers
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`,
  }
}

/** Gives a URL that opens for GET for `lifeSeconds` (1 to 604,800) from now. `url` has no query. */
export function presign(
  url: URL,
  lifeSeconds: number,
  { region, credentials, nowMs }: Pick<SignedRequest, 'region' | 'credentials' | 'nowMs'>,
): URL {
  const at = timestamp(nowMs)
  const scope = scopeOf(at, region)
  const signed = new URL(url)
  const query = new URLSearchParams({
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${credentials.accessKeyId}/${scope}`,
    'X-Amz-Date': at,
    'X-Amz-Expires': String(lifeSeconds),
    ...(credentials.sessionToken === undefined ? {} : { 'X-Amz-Security-Token': credentials.sessionToken }),
    'X-Amz-SignedHeaders': 'host',
  })
  const canonical = ['GET', url.pathname, canonicalQuery(query), `host:${url.host}`, '', 'host', 'UNSIGNED-PAYLOAD']
  query.set('X-Amz-Signature', sign(canonical.join('\n'), at, scope, region, credentials))
  signed.search = canonicalQuery(query)
  return signed
}

/** Query parameters as they are signed and sent: RFC 3986, sorted. */
export function canonicalQuery(query: URLSearchParams): string {
  return [...query]
    .map(([key, text]) => `${encode(key)}=${encode(text)}`)
    .sort()
    .join('&')
}

/** `encodeURIComponent` leaves five characters alone that AWS wants encoded. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

/** `20261120T104300Z`. */
const timestamp = (nowMs: number): string => new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, '')

const scopeOf = (at: string, region: string): string => `${at.slice(0, 8)}/${region}/s3/aws4_request`

function sign(canonical: string, at: string, scope: string, region: string, credentials: S3Credentials): string {
  const text = ['AWS4-HMAC-SHA256', at, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
  const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest()
  const dayKey = hmac(`AWS4${credentials.secretAccessKey}`, at.slice(0, 8))
  const key = hmac(hmac(hmac(dayKey, region), 's3'), 'aws4_request')
  return createHmac('sha256', key).update(text).digest('hex')
}
