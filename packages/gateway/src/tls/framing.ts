/**
 * Requests that two parties could read in two ways are read in none (SEC-50). The HTTP parser
 * refuses most of them by itself (both lengths, folded headers, bare line feeds); here is what it
 * lets through.
 */
import type { IncomingMessage } from 'node:http'

/** A name or address, and perhaps a port: what a device may have typed to get here. */
const HOST = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/
/** An agent sends about ten. */
const MAX_HEADERS = 100
/** Origin form only (RFC 9112 §3.2.1), visible ASCII. */
const TARGET = /^\/(?!\/)[!-~]{0,4000}$/

/** What is ambiguous about a request; undefined when nothing is. */
export function framingFault(request: IncomingMessage): string | undefined {
  const { headers, rawHeaders, url = '' } = request
  const counts = countOnce(rawHeaders)
  if (request.httpVersion !== '1.1') return 'HTTP/1.1 only.'
  if (rawHeaders.length > 2 * MAX_HEADERS) return `At most ${MAX_HEADERS} headers.`
  if (!TARGET.test(url) || url.includes('#')) return 'The target must be a plain path.'
  if (counts.host !== 1 || !HOST.test(headers.host ?? '')) return 'Exactly one Host header with a plain name.'
  if (headers.upgrade !== undefined || /upgrade/i.test(headers.connection ?? '')) return 'No upgrade.'
  if (headers.expect !== undefined) return 'No expectations.'
  if (counts['content-length'] > 1 || counts['transfer-encoding'] > 1) return 'One length only.'
  if (headers['transfer-encoding'] !== undefined) {
    if (headers['content-length'] !== undefined) return 'One length only.'
    if (headers['transfer-encoding'].toLowerCase() !== 'chunked') return 'No transfer coding but chunked.'
  }
  if (headers['content-encoding'] !== undefined) return 'Bodies are sent as they are, not compressed.'
  return undefined
}

/** How often each of the headers comes that may come once; names stand at even places. */
function countOnce(rawHeaders: readonly string[]) {
  const counts = { host: 0, 'content-length': 0, 'transfer-encoding': 0 }
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase()
    if (name === 'host' || name === 'content-length' || name === 'transfer-encoding') counts[name]++
  }
  return counts
}
