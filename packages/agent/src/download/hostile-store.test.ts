/** A store that does everything that a store must not do: it costs a chunk an event, or ends with a named problem. */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { seededBytes } from '@sluice/content/testing'
import type { ObjectRequest, TestPackage } from './testing/test-contents.ts'
import { startTestLine, type TestLine } from './testing/test-line.ts'
import { never, once, silent, type TestRun } from './testing/test-run.ts'

const MiB = 1024 * 1024
type Fault = (response: ServerResponse, asked: ObjectRequest, line: TestLine) => void

const headOf = ({ start, end, totalBytes }: ObjectRequest) => ({
  'content-range': `bytes ${start}-${end - 1}/${totalBytes}`,
  'content-length': end - start,
})
const withoutEnd = (response: ServerResponse) => {
  const more = () => {
    while (!response.destroyed && response.write(Buffer.alloc(65_536)));
  }
  response.on('drain', more)
  more()
}

const faults: Record<string, Fault> = {
  'the whole object for a range': (response) => response.writeHead(200).end(Buffer.alloc(9 * MiB)),
  'another range': (response) =>
    response.writeHead(206, { 'content-range': 'bytes 0-9/10', 'content-length': 10 }).end(Buffer.alloc(10)),
  'a compressed answer': (response, asked) =>
    response.writeHead(206, { ...headOf(asked), 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(1000))),
  // 64 MiB of zeros in 64 KiB, in the place of the range.
  'a bomb': (response, asked) => response.writeHead(206, { ...headOf(asked), 'content-encoding': 'gzip' }).end(bomb),
  'a redirect': (response) => response.writeHead(302, { location: 'https://127.0.0.1:1/' }).end(),
  'a range that ends early': (response, asked) => {
    response.writeHead(206, headOf(asked))
    response.write(Buffer.alloc(1000))
    setTimeout(() => response.destroy(), 10)
  },
  'a reset': (response) => response.socket?.resetAndDestroy(),
  'bytes without end': (response, asked) => {
    response.writeHead(206, { 'content-range': headOf(asked)['content-range'] })
    withoutEnd(response)
  },
  'more bytes than were announced': (response, asked) => {
    const head = Object.entries(headOf(asked)).map(([name, value]) => `${name}: ${value}\r\n`)
    response.socket?.write(`HTTP/1.1 206 Partial Content\r\n${head.join('')}\r\n`)
    response.socket?.end(Buffer.alloc(asked.end - asked.start + 1000))
  },
  'a head without end': (response) => {
    response.socket?.write('HTTP/1.1 206 Partial Content\r\n')
    for (let i = 0; i < 100; i++) response.socket?.write(`x-${i}: ${'y'.repeat(1000)}\r\n`)
  },
  'something that is not HTTP': (response) => void response.socket?.write('220 mail.example.com ESMTP\r\n\r\n'),
  'wrong bytes': (response, asked) => response.writeHead(206, headOf(asked)).end(Buffer.alloc(asked.end - asked.start)),
  'a flipped bit': async (response, asked, { contents }) => {
    const got = await contents.store.get(asked, asked)
    assert.ok(got.ok)
    const bytes = Buffer.concat(await got.value.body.toArray())
    const at = bytes.length >> 1
    bytes[at] = (bytes[at] ?? 0) ^ 4
    response.writeHead(206, headOf(asked)).end(bytes)
  },
  'an error page': (response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>'),
  'a page that says 200': (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Log in</h1>'),
  'too many requests': (response) => response.writeHead(429, { 'retry-after': '0' }).end(),
  silence: () => {},
  'one byte and then silence': (response, asked) => {
    response.writeHead(206, headOf(asked))
    response.write(Buffer.alloc(1))
  },
  'a trickle': (response, asked) => {
    response.writeHead(206, headOf(asked))
    const timer = setInterval(() => response.write(Buffer.alloc(1)), 20)
    response.on('close', () => clearInterval(timer))
  },
}

const bomb = gzipSync(Buffer.alloc(64 * MiB))

const acquire = (run: TestRun, pack: TestPackage) =>
  run.contents.acquire({ packageId: pack.policy.id, retry: once }, never, silent)

test('a hostile store', async (t) => {
  const line = await startTestLine(t)
  let packages = 0
  /** With bytes of its own: nothing of it is on the device. */
  const add = (sizeBytes: number) => {
    const id = `ABC${String(++packages).padStart(5, '0')}`
    return line.add(id, { 'some.bin': seededBytes(id, sizeBytes) })
  }

  for (const [what, fault] of Object.entries(faults)) {
    await t.test(`${what}, once at each place, is survived`, async () => {
      line.contents.fault = undefined
      const pack = await add(3 * MiB)
      const run = await line.open([pack], { limits: { idleMs: 150, maxPauseMs: 10 } })
      const events = new Set<string>()
      let struckBytes = 0
      line.contents.fault = (request) => {
        const place = `${request.hash} ${request.start}`
        if (events.has(place)) return undefined
        events.add(place)
        // A range that is struck is one frame or broken off; what was read with the last piece comes on top.
        if (request.kind === 'pack') struckBytes += Math.min(request.end - request.start, MiB) + 65_536
        return (response) => fault(response, request, line)
      }
      const before = process.memoryUsage().rss
      const got = await acquire(run, pack)
      assert.ok(got.ok, JSON.stringify(got))
      assert.ok(events.size > 2)
      const { neededBytes, fetchedBytes } = got.value
      assert.equal(neededBytes, pack.policy.storedBytes)
      assert.ok(fetchedBytes - neededBytes <= struckBytes, 'a chunk for each event, at most')
      assert.ok(process.memoryUsage().rss - before < 200 * MiB)
    })

    await t.test(`${what}, always, ends the try with a named problem`, async () => {
      const pack = await add(MiB)
      const run = await line.open([pack], { limits: { idleMs: 80, maxPauseMs: 10, noProgressMs: 100 } })
      line.contents.fault = (request) =>
        request.kind === 'pack' ? (response) => fault(response, request, line) : undefined
      const got = await acquire(run, pack)
      assert.ok(!got.ok)
      assert.match(got.problem.code, /^(BAD_ANSWER|CONTENT_SOURCE_FAILED|UNREACHABLE|CONTENT_CORRUPT|BUSY)$/)
    })
  }
})

test('addresses that expire again and again on a slow line cost questions, no bytes and no step', async (t) => {
  const line = await startTestLine(t)
  const pack = await line.add('ABC00001', { 'some.bin': seededBytes('slow', 6 * MiB) })
  const run = await line.open([pack])
  line.contents.bytesPerSecond = 2 * MiB
  let asked = 0
  line.contents.fault = () => {
    if (++asked % 3 === 0) line.contents.revoke('addresses')
    return undefined
  }
  const got = await acquire(run, pack)
  assert.ok(got.ok, JSON.stringify(got))
  assert.equal(got.value.fetchedBytes, pack.policy.storedBytes, 'nothing came twice')
  assert.ok(line.contents.served.urls > 2, 'they were asked for again')
})
