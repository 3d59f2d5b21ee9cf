/** From the site's answer to a program of a step: sockets, a real runner, and nothing else on the way. */
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  DeploymentId,
  DeviceId,
  failed,
  ok,
  type PolicyKey,
  preAuthEncoding,
  problem,
  type Revelation,
  RunId,
  SECRET_TYPE,
  type SecretRequest,
} from '@sluice/protocol'
import { CompactEncrypt, importJWK } from 'jose'
import type { GatewayClient } from '../gateway-client/gateway-client.ts'
import { createRunners } from '../run/runners.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { askLine, serveLines } from './line-socket.ts'
import { createRevealSecret } from './reveal-secret.ts'
import { deskPath, openSecretDesk } from './secret-desk.ts'

const never = new AbortController().signal
const deviceId = DeviceId.parse('dev_0123456789')
const asked = {
  deploymentId: DeploymentId.parse('dep_0123456789'),
  runId: RunId.parse('run_0123456789'),
  attempt: '3-1',
  name: 'JoinPassword',
}
const seal = generateKeyPairSync('x25519')
const policy = generateKeyPairSync('ed25519')
const stranger = generateKeyPairSync('ed25519')
const policyKey: PolicyKey = {
  keyid: 'policy',
  publicKey: Buffer.from(policy.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url').toString('base64'),
}

/** As the site makes it. */
async function sealed(said: Partial<Revelation>, key: KeyObject): Promise<string> {
  const payload = Buffer.from(JSON.stringify({ v: 1, deviceId, value: 'open sesame', ...said }))
  const sig = sign(null, preAuthEncoding(SECRET_TYPE, payload), key).toString('base64')
  const envelope = {
    payloadType: SECRET_TYPE,
    payload: payload.toString('base64'),
    signatures: [{ keyid: 'policy', sig }],
  }
  const { x } = seal.publicKey.export({ format: 'jwk' })
  const to = await importJWK({ kty: 'OKP', crv: 'X25519', x: x ?? '' }, 'ECDH-ES')
  return await new CompactEncrypt(Buffer.from(JSON.stringify(envelope)))
    .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM' })
    .encrypt(to)
}

function revealing(answer: (request: SecretRequest, nth: number) => unknown) {
  let calls = 0
  const client = { call: async (_: string, { body }: { body: SecretRequest }) => answer(body, ++calls) }
  return createRevealSecret({
    ...{ deviceId, policyKeys: () => [policyKey], random: () => 0 },
    client: client as unknown as GatewayClient,
    keys: { seal: seal.privateKey },
  })
}

test('an answer counts when it is sealed to this device, signed by the site, and answers this question', async () => {
  const said = ({ runId, attempt, name, nonce }: SecretRequest) => ({ runId, attempt, name, nonce })
  const word = async (reveal: ReturnType<typeof revealing>) => {
    const answer = await reveal(asked, never)
    return answer.ok ? answer.value : answer.problem.code
  }
  const good = revealing(async (request) => ok({ sealed: await sealed(said(request), policy.privateKey) }))
  assert.equal(await word(good), 'open sesame')
  for (const bad of [
    revealing(async (request) => ok({ sealed: await sealed(said(request), stranger.privateKey) })),
    revealing(async (request) => ok({ sealed: await sealed({ ...said(request), name: 'Other' }, policy.privateKey) })),
    revealing(async (request) =>
      ok({ sealed: await sealed({ ...said(request), nonce: 'n'.repeat(16) }, policy.privateKey) }),
    ),
    revealing(() => ok({ sealed: 'a.b.c.d.e' })),
  ])
    assert.equal(await word(bad), 'BAD_ANSWER')
})

test('it asks again with the same nonce while that can help, and ends with a refusal', async () => {
  const nonces = new Set<string>()
  const reveal = revealing((request, nth) => {
    nonces.add(request.nonce)
    const code = nth === 1 ? 'RUN_NOT_REPORTED' : nth === 2 ? 'UNREACHABLE' : 'SECRET_REFUSED'
    return failed(problem(code, 'in this test'))
  })
  const answer = await reveal(asked, never)
  assert.equal(answer.ok ? '' : answer.problem.code, 'SECRET_REFUSED')
  assert.equal(nonces.size, 1)
})

test('a step asks its runner, the runner asks the agent, once; another name is refused; no file has it', async (t) => {
  // Longer than a system takes for the path of a socket.
  const runFolder = join(temporaryFolder(t), 'a-folder-with-quite-a-long-name'.repeat(4))
  const folder = join(runFolder, 'attempts')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const logPath = join(runFolder, 'smsts.log')
  const revealed: string[] = []
  let underWay: string[] | undefined
  const open = () =>
    openSecretDesk({
      ...{ runFolder, ...asked },
      namesOf: (attempt) => (attempt === 'join' ? underWay : undefined),
      async reveal({ name }) {
        revealed.push(name)
        return ok('open sesame\nsecond line')
      },
    })
  const runners = createRunners({ folder, bootId: 'boot', pollMs: 20 })
  underWay = ['JoinPassword']
  runners.start('join', {
    v: 1,
    action: {
      ...{ kind: 'command', workingDirectory: undefined, timeoutMs: 60_000, hidden: false },
      secrets: ['JoinPassword'],
      argv: [
        'sh',
        '-c',
        `value=$(sluice-ts secret JoinPassword) || exit 1
         test "$value" = "$(sluice-ts secret JoinPassword)" || exit 2
         sluice-ts secret Other && exit 3
         sluice-ts set Said "it is $value"
         echo "$value"`,
      ],
    },
    ...{ osRoot: '/', logPath, workFolder: folder, environment: {}, variables: {}, masked: [] },
    secrets: { desk: deskPath(runFolder), attempt: 'join' },
  })
  // The agent comes later than the question.
  const desk = await open()
  const outcome = await runners.outcome('join', never)
  assert.ok(outcome.kind === 'exited')
  assert.equal(outcome.exitCode, 0, readFileSync(logPath, 'utf8'))
  assert.deepEqual(revealed, ['JoinPassword'])
  assert.match(outcome.output, /^\*+\n$/)
  assert.doesNotMatch(JSON.stringify(outcome), /sesame|second line/)
  assert.doesNotMatch(readFileSync(logPath, 'utf8'), /sesame|second line/)
  for (const name of readdirSync(folder))
    assert.ok(!readFileSync(join(folder, name), 'latin1').includes('sesame'), name)

  // Tools that ask for nothing get theirs from standard input.
  runners.start('tool', {
    v: 1,
    action: {
      ...{ kind: 'command', workingDirectory: undefined, timeoutMs: 60_000, hidden: false },
      secretInput: 'JoinPassword',
      argv: [
        'sh',
        '-c',
        'read line; printf %s "$line" | base64 -d | sha256sum; echo "$line"; sluice-ts secret JoinPassword',
      ],
    },
    ...{ osRoot: '/', logPath, workFolder: folder, environment: {}, variables: {}, masked: [] },
    secrets: { desk: deskPath(runFolder), attempt: 'join' },
  })
  const tool = await runners.outcome('tool', never)
  assert.ok(tool.kind === 'exited')
  const hash = createHash('sha256').update('open sesame\nsecond line').digest('hex')
  assert.equal(tool.output, `${hash}  -\n*****\n`, readFileSync(logPath, 'utf8'))
  assert.equal(tool.exitCode, 1, 'its programs do not name the secret, so they cannot ask')
  assert.deepEqual(revealed, ['JoinPassword', 'JoinPassword'])

  const word = async (question: object) => {
    const answer = (await askLine(deskPath(runFolder), question, never)) as { problem?: { code: string } }
    return answer.problem?.code
  }
  assert.equal(await word({ attempt: 'earlier', name: 'JoinPassword' }), 'SECRET_REFUSED')
  assert.equal(await word({ attempt: 'join', name: 'Other' }), 'SECRET_REFUSED')
  underWay = undefined
  assert.equal(await word({ attempt: 'join', name: 'JoinPassword' }), 'SECRET_REFUSED')
  await assert.rejects(askLine(deskPath(runFolder), { more: 'than asked for' }, never))
  await assert.rejects(askLine(deskPath(runFolder), { name: 'x'.repeat(70_000) }, never))
  desk.close()
  assert.ok(!existsSync(deskPath(runFolder)))
})

test('who waits for an answer can go away, and a socket that was left behind is taken over', async (t) => {
  const path = join(temporaryFolder(t), 'socket')
  const gone = Promise.withResolvers<void>()
  const abort = new AbortController()
  const first = await serveLines(path, (_, left) => {
    left.addEventListener('abort', () => gone.resolve())
    abort.abort(new Error('no longer'))
    return new Promise(() => {})
  })
  const waiting = askLine(path, {}, abort.signal)
  await assert.rejects(waiting)
  await gone.promise
  const second = await serveLines(path, async () => 'second')
  assert.equal(await askLine(path, {}, never), 'second')
  first.close()
  second.close()
})
