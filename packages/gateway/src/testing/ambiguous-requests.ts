/**
 * Requests that two parties could read in two ways, byte by byte, and what a site may see of each: by
 * default nothing. Where a request is odd but has one meaning only, that meaning is written beside it.
 * Longer than usual because it is a table.
 */

export interface AmbiguousRequest {
  name: string
  /** Each character is a byte. */
  bytes: string
  /** Route and body of every request that the site may see, in this order. */
  sees: string[]
  /** The gateway may wait for more: the connection is ended by the other side. */
  waits: boolean
}

const HOST = 'Host: gateway.example\r\n'
const POLICY = 'POST /v1/policy HTTP/1.1\r\n'
/** What an attacker would like to be read as a request of its own. */
const SMUGGLED = `POST /v1/status HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n[]`
const THE_ONE = 'policy {}'

type More = Partial<Pick<AmbiguousRequest, 'sees' | 'waits'>>

const one = (name: string, bytes: string, more: More = {}): AmbiguousRequest => ({
  name,
  bytes,
  sees: [],
  waits: false,
  ...more,
})
const shown = (text: string): string =>
  JSON.stringify(text.length > 60 ? `${text.slice(0, 50)}… (${text.length})` : text)

/** A poll with these header lines, and `{}` for a body. */
const withHeaders = (headers: string, more: More = {}): AmbiguousRequest =>
  one(`headers ${shown(headers)}`, `${POLICY}${HOST}${headers}\r\nContent-Length: 2\r\n\r\n{}`, more)

const lengths = [
  ...[
    '+2',
    '-1',
    '0x2',
    '2 2',
    '2,2',
    '2, 2',
    '2;',
    '2.0',
    '1e1',
    '"2"',
    '',
    ' ',
    '2\t3',
    '\x002',
    '2\x00',
    '2\x0b',
    'two',
  ],
  ...['2-', '0b10', '2\xa0', '\xb2', '18446744073709551617', '99999999999999999999', '2#', '(2)'],
].map((value) =>
  one(`Content-Length: ${shown(value)}`, `${POLICY}${HOST}Content-Length: ${value}\r\n\r\n{}${SMUGGLED}`),
)

const codings = [
  ...[
    'gzip',
    'identity',
    'chunked, gzip',
    'gzip, chunked',
    'chunked, chunked',
    'chunked, identity',
    'identity, chunked',
  ],
  ...['xchunked', 'chunkedx', 'chunked;q=1', '"chunked"', '\x0bchunked', 'chunked\x0b', 'chunked\x00', '\x00chunked'],
  ...[
    'chunked,',
    ',chunked',
    'c hunked',
    'chunk',
    'cow',
    '',
    'deflate, chunked',
    'chunked\xa0',
    'chunked;',
    'x, chunked',
  ],
].flatMap((value) => [
  one(`Transfer-Encoding: ${shown(value)}`, `${POLICY}${HOST}Transfer-Encoding: ${value}\r\n\r\n0\r\n\r\n${SMUGGLED}`),
  one(
    `Transfer-Encoding: ${shown(value)} beside a length`,
    `${POLICY}${HOST}Content-Length: 5\r\nTransfer-Encoding: ${value}\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ),
])

const bothLengths = [
  ['Content-Length: 4\r\nTransfer-Encoding: chunked', '0\r\n\r\n'],
  ['Transfer-Encoding: chunked\r\nContent-Length: 4', '0\r\n\r\n'],
  ['Content-Length: 0\r\nTransfer-Encoding: chunked', '2\r\n{}\r\n0\r\n\r\n'],
  ['content-length: 2\r\nCONTENT-LENGTH: 3', '{}'],
  ['Content-Length: 2\r\nContent-Length: 2', '{}'],
  ['Content-Length: 2\r\nX: y\r\nContent-Length: 0', '{}'],
  ['Content-Length: 0\r\nContent-Length: 2', '{}'],
  ['Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', '0\r\n\r\n'],
  ['Transfer-Encoding: identity\r\nTransfer-Encoding: chunked', '0\r\n\r\n'],
  ['Transfer-Encoding: chunked\r\ntransfer-encoding: chunked', '0\r\n\r\n'],
  ['Transfer-Encoding: chunked\r\nTransfer-Encoding: cow', '0\r\n\r\n'],
  ['Transfer-Encoding: chunked\r\nContent-Length: 2\r\nContent-Length: 3', '0\r\n\r\n'],
].map(([headers = '', body]) => one(`${shown(headers)}`, `${POLICY}${HOST}${headers}\r\n\r\n${body}${SMUGGLED}`))

/** A second length in a disguise that some other reader may see through. */
const disguises = ['Transfer-Encoding: chunked', 'Content-Length: 0'].flatMap((header) => {
  const [name = '', value = ''] = header.split(': ')
  return [
    `${name} : ${value}`,
    `${name}\t: ${value}`,
    ` ${name}: ${value}`,
    `\t${name}: ${value}`,
    `${name}\x00: ${value}`,
    `${name}\x0b: ${value}`,
    `\x00${name}: ${value}`,
    `${name.replace('-', '\xad')}: ${value}`,
    `${name.replace('-', ' ')}: ${value}`,
    `X: y\n${header}`,
    `X: y\r${header}`,
    `X: y\r\n ${header}`,
    `X:\r\n\t${header}`,
    `X: y\r\r\n${header}`,
    `X: y\r\n\r${header}`,
    `${name}\r\n: ${value}`,
    `${name}:\n${value}`,
    `X: y\x00\r\n${header}`,
  ].map((line) => withHeaders(line))
})

const chunked = (name: string, body: string, more: More = {}): AmbiguousRequest =>
  one(`chunks: ${name}`, `${POLICY}${HOST}Transfer-Encoding: chunked\r\n\r\n${body}`, more)

const chunks = [
  chunked('as they should be', '2\r\n{}\r\n0\r\n\r\n', { sees: [THE_ONE] }),
  chunked('capital digits and zeros before', '0002\r\n{}\r\n000\r\n\r\n', { sees: [THE_ONE] }),
  chunked('a short extension, which nobody reads', '2;a=b\r\n{}\r\n0\r\n\r\n', { sees: [THE_ONE] }),
  chunked('an extension in each of many chunks', `${`1;${'a'.repeat(5_000)}\r\nx\r\n`.repeat(20)}0\r\n\r\n`, {
    sees: [`policy ${'x'.repeat(20)}`],
  }),
  chunked('a trailer, which nobody reads', '2\r\n{}\r\n0\r\nX: y\r\n\r\n', { sees: [THE_ONE] }),
  chunked('a trailer that forges the caller', '2\r\n{}\r\n0\r\nsluice-caller: forged\r\n\r\n', { sees: [THE_ONE] }),
  ...(
    [
      ['hexadecimal sign', '0x2\r\n{}\r\n0\r\n\r\n'],
      ['plus', '+2\r\n{}\r\n0\r\n\r\n'],
      ['minus', '-2\r\n{}\r\n0\r\n\r\n'],
      ['space before', ' 2\r\n{}\r\n0\r\n\r\n'],
      ['tab before', '\t2\r\n{}\r\n0\r\n\r\n'],
      ['bare line feeds', '2\n{}\n0\n\n'],
      ['bare line feed after the size', '2\n{}\r\n0\r\n\r\n'],
      ['bare line feed after the data', '2\r\n{}\n0\r\n\r\n'],
      ['bare carriage return', '2\r{}\r\n0\r\n\r\n'],
      ['a line feed in an extension', '2;a\nb\r\n{}\r\n0\r\n\r\n'],
      ['a null in an extension', '2;a\x00b\r\n{}\r\n0\r\n\r\n'],
      ['an open quote in an extension', '2;a="\r\n{}\r\n0\r\n\r\n'],
      ['an extension without end', `2;${'a'.repeat(40_000)}\r\n{}\r\n0\r\n\r\n`],
      ['larger than a number', 'ffffffffffffffffff\r\n'],
      ['exactly 2^64', '10000000000000000\r\n{}\r\n0\r\n\r\n'],
      ['no digit', '\r\n{}\r\n0\r\n\r\n'],
      ['no hexadecimal digit', 'g\r\n{}\r\n0\r\n\r\n'],
      ['a list', '2,2\r\n{}\r\n0\r\n\r\n'],
      ['a null after the size', '2\x00\r\n{}\r\n0\r\n\r\n'],
      ['data longer than its size', `1\r\n{}\r\n0\r\n\r\n${SMUGGLED}`],
      ['no line end after the data', `2\r\n{}0\r\n\r\n${SMUGGLED}`],
      ['something after the data', `2\r\n{}X\r\n0\r\n\r\n${SMUGGLED}`],
      ['a folded trailer', `2\r\n{}\r\n0\r\nX: y\r\n z\r\n\r\n${SMUGGLED}`],
      ['trailers without end', `2\r\n{}\r\n0\r\n${'X: y\r\n'.repeat(20_000)}`],
      ['a trailer with a null', '2\r\n{}\r\n0\r\nX: \x00\r\n\r\n'],
      ['a request where a trailer should be', `2\r\n{}\r\n0\r\n${SMUGGLED}`],
    ] satisfies [string, string][]
  ).map(([name, body]) => chunked(name, body)),
  chunked('data shorter than its size', '5\r\n{}\r\n', { waits: true }),
  chunked('without an end', '2\r\n{}\r\n', { waits: true }),
  chunked('a last chunk without an empty line', '2\r\n{}\r\n0\r\n', { waits: true }),
]

const line = (text: string, more: More = {}): AmbiguousRequest =>
  one(`first line ${shown(text)}`, `${text}\r\n${HOST}Content-Length: 2\r\n\r\n{}`, more)

const firstLines = [
  ...[
    'post',
    'Post',
    'GE T',
    'PATCH',
    'PUT',
    'DELETE',
    'TRACE',
    'HEAD',
    'OPTIONS',
    'SOURCE',
    'X',
    'POST\x00',
    '\x00POST',
    'P\xc3\xb6ST',
  ].map((method) => line(`${method} /v1/policy HTTP/1.1`)),
  ...[
    'HTTP/1.0',
    'HTTP/0.9',
    'HTTP/1.2',
    'HTTP/2.0',
    'HTTP/11',
    'HTTP/1.1 ',
    'http/1.1',
    'HTTP/1.1\x00',
    'HTTP/1,1',
    'RTSP/1.0',
    'HTTP/ 1.1',
    '',
  ].map((version) => line(`POST /v1/policy ${version}`)),
  ...['POST\t/v1/policy\tHTTP/1.1', ' POST /v1/policy HTTP/1.1', 'POST /v1/policy x HTTP/1.1'].map((text) =>
    line(text),
  ),
  line('POST  /v1/policy HTTP/1.1', { sees: [THE_ONE] }),
  line('POST /v1/policy  HTTP/1.1', { sees: [THE_ONE] }),
  line('CONNECT 169.254.169.254:80 HTTP/1.1'),
  line('CONNECT gateway.example:443 HTTP/1.1'),
  one('line feeds only', 'POST /v1/policy HTTP/1.1\nHost: gateway.example\nContent-Length: 2\n\n{}'),
  one('a line feed after the first line', `POST /v1/policy HTTP/1.1\n${HOST}Content-Length: 2\r\n\r\n{}`),
  one('carriage returns only', 'POST /v1/policy HTTP/1.1\rHost: gateway.example\rContent-Length: 2\r\r{}', {
    waits: true,
  }),
  one('empty lines before, which everybody skips', `\r\n\r\n${POLICY}${HOST}Content-Length: 2\r\n\r\n{}`, {
    sees: [THE_ONE],
  }),
]

const targets = [
  ...[
    'https://other.example/v1/policy',
    'http://169.254.169.254/v1/policy',
    'gateway.example:443',
    '*',
    '//v1/policy',
    '//other.example/v1/policy',
  ],
  ...[
    '/v1/policy#x',
    '%2fv1%2fpolicy',
    '/%2fv1/policy',
    '/v1%2fpolicy',
    '/v1/./policy',
    '/v1/../v1/policy',
    '/v1//policy',
    '/v1/policy/',
  ],
  ...[
    '/v1/policy%00',
    '/v1/policy;x',
    '/v1/policy%20',
    '/V1/policy',
    '/v1/polic%79',
    '/v1\\policy',
    '/v1/policy%0d%0aX:%20y',
    '/v1/policy\x00',
  ],
  ...[
    '/v1/policy\x01',
    '/v1/policy\x7f',
    'v1/policy',
    '?',
    '/?/v1/policy',
    '/v1/p\xc3\xb6licy',
    '/v1/%2e%2e/v1/policy',
    '/v1/.%2e/v1/policy',
  ],
  ...[
    '/link/events',
    '/link/relay/policy',
    '/v1/relay/policy',
    '/v1/policy:443',
    '/@other.example/v1/policy',
    '/v1/policy\\..\\status',
  ],
  ...[
    '/v1/policy/../status',
    '/v1/policy%2f..%2fstatus',
    '/v1/policy%252f',
    '/v1/policy.',
    '/v1/policy..',
    '/v1/policy%3f',
    `/v1/${'a'.repeat(5_000)}`,
  ],
].map((target) => line(`POST ${target} HTTP/1.1`))

const get = (target: string, more: More = {}): AmbiguousRequest =>
  one(`GET ${shown(target)}`, `GET ${target} HTTP/1.1\r\n${HOST}\r\n`, more)

const parameters = [
  ...[
    '..',
    '.',
    '%2e%2e',
    '..%2froot.json',
    'a%2fb',
    'a/b',
    'a\\b',
    'a%5cb',
    'a:b',
    'root.json%00',
    'root.json%0d%0a',
    '..;',
    '.hidden',
    'a%20b',
  ],
  ...['a"b', "a'b", '{}', 'a|b', 'a%', '', 'a\xc3\xb6', 'x'.repeat(201)],
].map((file) => get(`/v1/catalogue/metadata/${file}`))

/** Headers that other servers act on; here they are not even passed on. */
const idle = [
  'sluice-caller: forged',
  'Sluice-Caller: eyJpZGVudGl0eSI6ImRldmljZSJ9',
  'sluice-caller: a\r\nsluice-caller: b',
  'sluice-parameters: eyJmaWxlIjoieCJ9',
  'Sluice_Caller: forged',
  'X-HTTP-Method-Override: DELETE',
  'X-Original-URL: /v1/status',
  'X-Rewrite-URL: /v1/status',
  'X-Forwarded-For: 10.0.0.1',
  'X-Forwarded-Host: other.example',
  'X-Forwarded-Client-Cert: Hash=00',
  'Forwarded: for=10.0.0.1;host=other.example',
  'X-SSL-Client-Cert: x',
  'X-Client-Verify: SUCCESS',
  'SSL_CLIENT_S_DN: CN=admin',
  'Cookie: a=b; c=d',
  'Authorization: Bearer x',
  'Proxy-Authorization: Basic x',
  'Via: 1.0 other',
  'Max-Forwards: 0',
  'TE: trailers',
  'Trailer: Content-Length',
  'Connection: sluice-caller',
  'Connection: content-length, host',
  'Connection: keep-alive',
  'Proxy-Connection: close',
  'Content-Type: text/html\r\nContent-Type: text/plain',
  'Range: bytes=0-1',
  'Accept-Encoding: gzip',
  'Content_Length: 100',
  'Transfer_Encoding: chunked',
  'Content-Length-X: 3',
  'X: \xff\xfe',
  'X:',
  'X: a:b: c',
].map((headers) => withHeaders(headers, { sees: [THE_ONE] }))

const refusedHeaders = [
  ...[
    ':path: /link/events',
    ':method: GET',
    ':authority: other',
    ':status: 200',
    ': x',
    '(: x',
    'a b: c',
    'a@b: c',
    'nothing',
    '\x00: x',
    '\xff: x',
  ],
  ...[
    'X: a\x00b',
    'X: a\x01b',
    'X: a\x7fb',
    'X: a\rb',
    'X: a\nb: c',
    'X: y\r\n z',
    'X: y\r\n\tz',
    ' X: y',
    '"X": y',
    '{}',
    'X\r\n: y',
  ],
  ...[
    'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk',
    'Connection: Upgrade\r\nUpgrade: websocket',
  ],
  ...[
    'Upgrade: tls/1.0',
    'Connection: keep-alive, upgrade',
    'Expect: 100-continue',
    'Expect: x',
    'Content-Encoding: gzip',
    'Content-Encoding: identity',
  ],
  ...[
    `X: ${'y'.repeat(17 * 1024)}`,
    `${'x'.repeat(17 * 1024)}: y`,
    `${'a:\r\n'.repeat(5_000)}b: c`,
    'Host: other.example',
    'HOST: gateway.example',
  ],
].map((headers) => withHeaders(headers))

const hosts = [
  ...[
    '',
    'a/b',
    'a@b',
    'a b',
    'a,b',
    'a:b',
    'a:99999999',
    'https://a',
    'a?b',
    'a#b',
    'a\\b',
    'a\x00b',
    '[::1',
    '::1]',
    '*',
    'a%20b',
    'a;b',
    '"a"',
    `${'a'.repeat(300)}`,
  ],
].map((host) => one(`Host: ${shown(host)}`, `${POLICY}Host: ${host}\r\nContent-Length: 2\r\n\r\n{}`))

const sequences = [
  one('two requests at once stay two', `${POLICY}${HOST}Content-Length: 2\r\n\r\n{}${SMUGGLED}`, {
    sees: [THE_ONE, 'status []'],
  }),
  one(
    'a body that looks like a request is a body',
    `${POLICY}${HOST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    {
      sees: [`policy ${SMUGGLED}`],
    },
  ),
  one('no body, then a request', `POST /v1/policy HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`, {
    sees: ['policy ', 'status []'],
  }),
  one(
    'a chunk that looks like a request is a body',
    `${POLICY}${HOST}Transfer-Encoding: chunked\r\n\r\n${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    {
      sees: [`policy ${SMUGGLED}`],
    },
  ),
  one(
    'nothing after a refused one',
    `${POLICY}${HOST}Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}${SMUGGLED}`,
  ),
  one('nothing after one with two hosts', `${POLICY}${HOST}Host: b\r\nContent-Length: 2\r\n\r\n{}${SMUGGLED}`),
  one(
    'nothing after an absolute one',
    `POST https://b/v1/policy HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n{}${SMUGGLED}`,
  ),
  one('nothing after "close"', `${POLICY}${HOST}Connection: close\r\nContent-Length: 2\r\n\r\n{}${SMUGGLED}`, {
    sees: [THE_ONE],
  }),
  one('a length that is too short leaves rubbish, which is refused', `${POLICY}${HOST}Content-Length: 1\r\n\r\n{}`, {
    sees: ['policy {'],
  }),
  one(
    'a body for a route that takes none',
    `GET /v1/catalogue/metadata/1.root.json HTTP/1.1\r\n${HOST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  ),
  one(
    'a body without end for a route that takes none',
    `GET /v1/catalogue/metadata/1.root.json HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ),
  one('a body that is announced and does not come', `${POLICY}${HOST}Content-Length: 100\r\n\r\n{}`, { waits: true }),
  one('headers that do not end', `${POLICY}${HOST}X: y`, { waits: true }),
]

const otherProtocols = [
  one('HTTP/2 from the start', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00'),
  one('TLS within TLS', '\x16\x03\x01\x00\x05hello'),
  one('SSH', 'SSH-2.0-OpenSSH_9.2\r\n'),
  one('a proxy line', `PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n${POLICY}${HOST}Content-Length: 2\r\n\r\n{}`),
  one('a proxy line in binary', '\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c'),
  one('SOCKS', '\x05\x01\x00'),
  one('nulls', '\x00'.repeat(100)),
  one('an answer', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
  one('a simple request of 1991', 'GET /v1/health\r\n', { waits: true }),
]

export const ambiguousRequests: readonly AmbiguousRequest[] = [
  ...lengths,
  ...codings,
  ...bothLengths,
  ...disguises,
  ...chunks,
  ...firstLines,
  ...targets,
  ...parameters,
  ...idle,
  ...refusedHeaders,
  ...hosts,
  ...sequences,
  ...otherProtocols,
]
