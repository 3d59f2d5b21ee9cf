/** Bytes for devices: addresses from tokens, and what is served at them. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { after, before, beforeEach, describe, test } from 'node:test'
import { type ContentId, ContentId as ContentIdSchema, type StoredObject } from '@sluice/protocol'
import type { GatewayPorts } from '../gateway.ts'
import { issueDevice } from '../testing/authorities.ts'
import {
  ask,
  createWorld,
  otherDeviceId,
  otherSiteId,
  sha256,
  siteId,
  type TokenChange,
  until,
  type World,
} from '../testing/gateway-world.ts'

const PACK = randomBytes(3 * 1024 * 1024 + 17)
const PAGE = Buffer.alloc(1000, 'page')

describe('objects', () => {
  let world: World
  let ports: GatewayPorts
  let time: number
  let contentId: ContentId
  let otherContent: { contentId: ContentId; objects: StoredObject[] }
  let pack: StoredObject
  let page: StoredObject
  before(async () => {
    time = Date.now()
    world = await createWorld({ now: () => time })
    const content = world.addContent({ kind: 'pack', bytes: PACK }, { kind: 'page', bytes: PAGE })
    contentId = content.contentId
    ;[pack, page] = content.objects as [StoredObject, StoredObject]
    otherContent = world.addContent({ kind: 'page', bytes: Buffer.from('of another package') })
    ports = (await world.startLinked({ limits: { transfersPerDevice: 2 } })).ports
    await world.reported(contentId, 'present')
    await world.reported(otherContent.contentId, 'present')
  })
  after(() => world.close())
  beforeEach(() => {
    time = Date.now()
  })

  const urlsWith = async (
    token: string,
    objects: { contentId: string; kind: string; hash: string }[],
    agent = world.agent(world.device),
    more: { withPages?: boolean } = {},
  ) =>
    await ask('/v1/content/urls', {
      port: ports.device,
      agent,
      method: 'POST',
      headers: { host: `gateway.example:${ports.device}` },
      body: JSON.stringify({ token, objects, ...more }),
    })

  /** The path of a signed address. */
  async function pathOf(object: StoredObject, of = contentId): Promise<string> {
    const answer = await urlsWith(await world.token([of]), [{ contentId: of, ...object }])
    const [signed] = answer.json().objects as { url?: string }[]
    assert.ok(signed?.url, answer.body.toString())
    return signed.url.slice(signed.url.indexOf('/v1/'))
  }
  const get = async (path: string, headers: Record<string, string> = {}, agent = world.agent(world.device)) =>
    await ask(path, { port: ports.device, agent, headers })

  describe('addresses', () => {
    test('are given under the name the device used, for five minutes, in the order asked for', async () => {
      const answer = await urlsWith(await world.token([contentId]), [
        { contentId, ...page },
        { contentId, ...pack },
      ])
      assert.equal(answer.status, 200)
      const objects = answer.json().objects as { hash: string; url: string; expiresAt: string }[]
      assert.deepEqual(
        objects.map(({ hash }) => hash),
        [page.hash, pack.hash],
      )
      for (const { url, expiresAt } of objects) {
        assert.ok(url.startsWith(`https://gateway.example:${ports.device}/v1/objects/`))
        const life = Date.parse(expiresAt) - time
        assert.ok(life > 298_000 && life <= 300_000, String(life))
      }
    })

    test('only for what the token names and the content has', async () => {
      const unknown = ContentIdSchema.parse('f'.repeat(64))
      const answer = await urlsWith(await world.token([contentId, unknown]), [
        { contentId, ...pack },
        { contentId: otherContent.contentId, kind: 'page', hash: otherContent.objects[0]?.hash ?? '' },
        // A content that the token names does not lend its name to another's objects.
        { contentId, kind: 'page', hash: otherContent.objects[0]?.hash ?? '' },
        { contentId, kind: 'page', hash: pack.hash },
        { contentId: unknown, kind: 'pack', hash: pack.hash },
      ])
      const objects = answer.json().objects as { url?: string; problem?: { code: string } }[]
      assert.deepEqual(
        objects.map(({ url, problem }) => problem?.code ?? typeof url),
        ['string', 'CONTENT_TOKEN_REFUSED', 'OBJECT_REFUSED', 'OBJECT_REFUSED', 'CONTENT_NOT_DISTRIBUTED'],
      )
    })

    test('who was sent to where the content lay before hears that it is gone', async () => {
      const old = Buffer.from('laid out as before')
      const { contentId: moved, objects: before } = world.addContent({ kind: 'pack', bytes: old })
      world.site.say({ kind: 'contentsChanged' })
      await world.reported(moved, 'present')
      const entry = world.site.contents.find(({ content }) => content.contentId === moved)
      assert.ok(entry)
      const bytes = Buffer.from('laid out anew')
      world.site.objects.set(`pack/${sha256(bytes)}`, bytes)
      entry.objects = [{ kind: 'pack', hash: sha256(bytes), sizeBytes: bytes.length }]
      entry.content = { ...entry.content, revision: 2, totalBytes: bytes.length }
      world.site.say({ kind: 'contentsChanged' })
      await until(() => world.site.contentReports.some(({ revision }) => revision === 2), 'revision 2')
      const wanted = [...before, ...entry.objects].map((object) => ({ contentId: moved, ...object }))
      const answer = await urlsWith(await world.token([moved]), wanted)
      const objects = answer.json().objects as { url?: string; problem?: { code: string } }[]
      assert.deepEqual(
        objects.map(({ url, problem }) => problem?.code ?? typeof url),
        ['PACK_GONE', 'string'],
      )
    })

    test('small pages come with them when the device wants it', async () => {
      const large = world.addContent({ kind: 'page', bytes: Buffer.alloc(65 * 1024, 'large') })
      const both = await world.token([contentId, large.contentId])
      world.site.say({ kind: 'contentsChanged' })
      await world.reported(large.contentId, 'present')
      const objects = [
        { contentId, ...page },
        { contentId, ...pack },
        { contentId: large.contentId, kind: 'page', hash: large.objects[0]?.hash ?? '' },
      ]
      const pagesOf = async (withPages: boolean) => {
        const answer = await urlsWith(both, objects, world.agent(world.device), { withPages })
        return (answer.json().objects as { url?: string; page?: string }[]).map(({ url, page: bytes }) =>
          url === undefined ? undefined : Buffer.from(bytes ?? '', 'base64').length,
        )
      }
      assert.deepEqual(await pagesOf(false), [0, 0, 0])
      assert.deepEqual(await pagesOf(true), [PAGE.length, 0, 0])
    })

    test('not for what is still on its way', async () => {
      const late = world.addContent({ kind: 'page', bytes: Buffer.from('late') })
      let release = () => {}
      world.site.onObject = (_name, _start, stream) => {
        release = () => {
          stream.respond({ ':status': 200, 'content-length': 4 })
          stream.end('late')
        }
        return true
      }
      world.site.say({ kind: 'contentsChanged' })
      await world.reported(late.contentId, 'pulling')
      const ask = async () => {
        const answer = await urlsWith(await world.token([late.contentId]), [
          { contentId: late.contentId, kind: 'page', hash: late.objects[0]?.hash ?? '' },
        ])
        return (answer.json().objects as { url?: string; problem?: { code: string; retry: string } }[])[0]
      }
      assert.deepEqual((await ask())?.problem?.code, 'CONTENT_NOT_DISTRIBUTED')
      release()
      world.site.onObject = () => false
      await world.reported(late.contentId, 'present')
      assert.ok((await ask())?.url)
    })

    const hmacOfPublicKey = () => Buffer.from(world.site.configuration.contentTokenKeys.k1 ?? '', 'base64')
    const wrong: Record<string, () => TokenChange | Promise<TokenChange>> = {
      'of another type': () => ({ header: { typ: 'JWT' } }),
      'of an unknown key': () => ({ header: { kid: 'k2' } }),
      'of another site': () => ({ claims: { iss: otherSiteId } }),
      'for another use': () => ({ claims: { aud: 'sluice-admin' } }),
      'of another device': () => ({ claims: { sub: otherDeviceId } }),
      'of another certificate': async () => ({
        claims: {
          cnf: {
            'x5t#S256': Buffer.from(
              (await issueDevice(world.authority.device, siteId, otherDeviceId)).hash,
              'hex',
            ).toString('base64url'),
          },
        },
      }),
      'that expired': () => ({ lifeS: -301 }),
      'signed with the public key as a secret': () => ({ header: { alg: 'HS256' }, key: hmacOfPublicKey() }),
      'without contents': () => ({ claims: { contents: [] } }),
    }
    for (const [what, change] of Object.entries(wrong))
      test(`not for a token ${what}`, async () => {
        const answer = await urlsWith(await world.token([contentId], await change()), [{ contentId, ...pack }])
        assert.equal(answer.status, 403)
        assert.equal(answer.json().code, 'CONTENT_TOKEN_REFUSED')
      })

    test('not for a token without a signature, or with other contents than were signed', async () => {
      const token = await world.token([contentId])
      const [head = '', body = '', signature = ''] = token.split('.')
      const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
      const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>
      for (const forged of [
        `${encode({ alg: 'none', typ: 'content+jwt', kid: 'k1' })}.${body}.`,
        `${head}.${encode({ ...claims, contents: [otherContent.contentId] })}.${signature}`,
        `${head}.${body}.${signature.slice(0, -4)}AAAA`,
        'not a token',
      ])
        assert.equal((await urlsWith(forged, [{ contentId, ...pack }])).json().code, 'CONTENT_TOKEN_REFUSED')
    })
  })

  describe('served', () => {
    test('whole: right bytes, length, and the hash as tag', async () => {
      const answer = await get(await pathOf(pack))
      assert.equal(answer.status, 200)
      assert.equal(sha256(answer.body), pack.hash)
      assert.equal(answer.headers['content-length'], String(PACK.length))
      assert.equal(answer.headers.etag, `"${pack.hash}"`)
      assert.equal(answer.headers['accept-ranges'], 'bytes')
      assert.equal(answer.headers['content-encoding'], undefined)
    })

    for (const [range, status, start, end] of [
      ['bytes=0-0', 206, 0, 1],
      ['bytes=-1', 206, PACK.length - 1, PACK.length],
      ['bytes=1048570-1048585', 206, 1048570, 1048586],
      [`bytes=5-${PACK.length * 2}`, 206, 5, PACK.length],
      ['bits=0-1', 200, 0, PACK.length],
    ] as const)
      test(`${range} gives ${status} with the bytes from ${start} to ${end}`, async () => {
        const answer = await get(await pathOf(pack), { range })
        assert.equal(answer.status, status)
        assert.deepEqual(answer.body, PACK.subarray(start, end))
        assert.equal(
          answer.headers['content-range'],
          status === 206 ? `bytes ${start}-${end - 1}/${PACK.length}` : undefined,
        )
      })

    for (const range of ['bytes=0-0,5-9', `bytes=${PACK.length}-`, 'bytes=5-2', 'bytes=a-b'])
      test(`${range} is refused with the size`, async () => {
        const answer = await get(await pathOf(pack), { range })
        assert.equal(answer.status, 416)
        assert.equal(answer.headers['content-range'], `bytes */${PACK.length}`)
        assert.equal(answer.json().code, 'RANGE_REFUSED')
      })

    test('a range of another version is not cut out of this one', async () => {
      const path = await pathOf(page)
      const range = 'bytes=0-9'
      assert.equal((await get(path, { range, 'if-range': `"${page.hash}"` })).status, 206)
      assert.equal((await get(path, { range, 'if-range': '"another"' })).status, 200)
    })

    test('until the address expires', async () => {
      const path = await pathOf(page)
      time += 299_000
      assert.equal((await get(path)).status, 200)
      time += 2_000
      assert.equal((await get(path)).json().code, 'SIGNED_URL_REFUSED')
    })

    test('not at an address that was changed, for another object, or without a signature', async () => {
      const path = await pathOf(page)
      const url = new URL(path, 'https://x')
      const later = new URL(url)
      later.searchParams.set('expires', String(Number(url.searchParams.get('expires')) + 1))
      const signature = url.searchParams.get('signature') ?? ''
      const flipped = new URL(url)
      flipped.searchParams.set('signature', `${signature[0] === 'A' ? 'B' : 'A'}${signature.slice(1)}`)
      for (const forged of [
        later.pathname + later.search,
        flipped.pathname + flipped.search,
        path.replace(page.hash, pack.hash).replace('/page/', '/pack/'),
        path.replace('/page/', '/pack/'),
        path.split('?')[0] ?? '',
        `${path}&expires=99999999999`,
        `${path}&more=1`,
        path.replace(signature, ''),
      ]) {
        const answer = await get(forged)
        assert.equal(answer.status, 403, forged)
        assert.equal(answer.json().code, 'SIGNED_URL_REFUSED')
      }
    })

    test('not to another device', async () => {
      const other = await issueDevice(world.authority.device, siteId, otherDeviceId)
      const path = await pathOf(page)
      assert.equal((await get(path, {}, world.agent(other))).json().code, 'SIGNED_URL_REFUSED')
      assert.equal((await get(path, {}, world.agent())).json().code, 'NOT_AUTHENTICATED')
    })

    test('one device cannot take all the room, and slow readers give theirs back', async () => {
      // More than what the sockets of both sides hold.
      const bytes = Buffer.alloc(32 * 1024 * 1024, randomBytes(32))
      const large = world.addContent({ kind: 'pack', bytes })
      world.site.say({ kind: 'contentsChanged' })
      await world.reported(large.contentId, 'present')
      const path = await pathOf(large.objects[0] as StoredObject, large.contentId)
      const slow = await Promise.all(
        [1, 2].map(async () => {
          const outgoing = request({ host: '127.0.0.1', port: ports.device, path, agent: world.agent(world.device) })
          outgoing.on('error', () => {})
          outgoing.end()
          const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
          incoming.on('error', () => {})
          return { outgoing, incoming }
        }),
      )
      const refused = await get(path)
      assert.equal(refused.json().code, 'BUSY')
      assert.ok(Number(refused.headers['retry-after']) > 0)
      for (const { outgoing } of slow) outgoing.destroy()
      let again = await get(path)
      while (again.status !== 200) again = await get(path)
      assert.equal(sha256(again.body), sha256(bytes))
    })
  })

  test('no token and no signed address is in the log', async () => {
    const text = world.logged.join('\n')
    assert.doesNotMatch(text, /signature=|eyJ/)
  })
})

test('what was sent is counted, by kind, and the site hears of it, at the latest when the gateway ends', async () => {
  const world = await createWorld()
  try {
    const { contentId, objects } = world.addContent({ kind: 'pack', bytes: PACK }, { kind: 'page', bytes: PAGE })
    const { ports } = await world.startLinked()
    await world.reported(contentId, 'present')
    const options = { port: ports.device, agent: world.agent(world.device) }
    const token = await world.token([contentId])
    const urls = await ask('/v1/content/urls', {
      ...options,
      method: 'POST',
      body: JSON.stringify({ token, objects: objects.map((object) => ({ contentId, ...object })) }),
    })
    const [pack, page] = (urls.json().objects as { url: string }[]).map(({ url }) => url.slice(url.indexOf('/v1/')))
    await ask(pack ?? '', { ...options, headers: { range: 'bytes=100-1099' } })
    await ask(pack ?? '', options)
    await ask(page ?? '', options)
    // A page that comes with its address counts, too.
    await ask('/v1/content/urls', {
      ...options,
      method: 'POST',
      body: JSON.stringify({ token, withPages: true, objects: objects.map((object) => ({ contentId, ...object })) }),
    })
    // Neither refusals nor health count.
    await ask(pack ?? '', { ...options, headers: { range: 'bytes=5-2' } })
    await ask('/v1/health', { port: ports.enrolment, agent: world.agent() })
    await world.stop()
    const last = world.site.trafficReports.at(-1)
    assert.equal(last?.packBytes, 1000 + PACK.length)
    assert.equal(last?.pageBytes, 2 * PAGE.length)
    assert.equal(last?.requests, 4)
  } finally {
    await world.close()
  }
})
