/** Tokens and the audit at a real site, and what an auditor finds in a file that somebody worked on. */
import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { ApiTokenInfo, AuditEntry } from '@sluice/protocol'
import { sluice } from './testing/command.ts'
import { testSite } from './testing/site.ts'

const { at, as, json } = await testSite('audit')

test('a token for a program: what it may, and no more, until it is revoked', async () => {
  const made = await json<{ info: ApiTokenInfo }>(
    ...['admins', 'tokens', 'create', 'reports', '--role', 'readOnlyAnalyst', '--out', at('reports')],
  )
  assert.equal((await stat(at('reports'))).mode & 0o777, 0o600)
  const program = ['--token-file', at('reports')]
  assert.match((await as(['whoami', ...program])).stdout, /^reports \(token api_\w+\)\nRoles: Read-only Analyst\n/)
  assert.equal((await as(['devices', ...program])).code, 0)
  const forbidden = await as(['collection', 'create', 'Laptops', ...program])
  assert.match(forbidden.stderr, /FORBIDDEN[\s\S]*collection\.modify/)

  const { id } = await json<{ id: string }>('collection', 'create', 'Laptops')
  const [scoped] = await json<ApiTokenInfo[]>('admins', 'tokens').then(async () => {
    await json(...['admins', 'tokens', 'create', 'laptops', '--role', 'osDeploymentManager'], '--collection', 'Laptops')
    return await json<ApiTokenInfo[]>('admins', 'tokens')
  })
  assert.deepEqual(scoped?.collections, [id])

  await json('admins', 'tokens', 'revoke', made.info.id)
  assert.match((await as(['devices', ...program])).stderr, /NOT_AUTHENTICATED/)
  assert.match((await as(['admins', 'tokens', 'create', 'x', '--role', 'king'])).stderr, /fullAdministrator/)
})

test('what was done is exported, and every change to the file is found', async () => {
  const entries = await json<AuditEntry[]>('audit')
  const told = entries.map((one) => [one.actor.name, one.action, one.outcome])
  assert.deepEqual(told, [
    ['data folder', 'createApiToken', 'done'],
    ['reports', 'createCollection', 'FORBIDDEN'],
    ['data folder', 'createCollection', 'done'],
    ['data folder', 'createApiToken', 'done'],
    ['data folder', 'revokeApiToken', 'done'],
  ])
  assert.ok(entries.every((one) => one.from === '127.0.0.1'))

  const head = await as(['audit', 'head'])
  await writeFile(at('head'), head.stdout)
  await json('collection', 'create', 'Servers')
  await json('audit', 'export', at('audit.ndjson'))
  const lines = (await readFile(at('audit.ndjson'), 'utf8')).trimEnd().split('\n')
  assert.equal(lines.length, 7)

  // Needs no site.
  const verify = async (changed: string[], ...more: string[]) => {
    await writeFile(at('changed'), changed.map((line) => `${line}\n`).join(''))
    const { code, stdout, stderr } = await sluice(['audit', 'verify', at('changed'), ...more])
    assert.equal(code, stdout.startsWith('Whole: ') ? 0 : 1)
    return stdout + stderr
  }
  const kept = ['--head', at('head')]
  assert.match(await verify(lines), /^Whole: entries 1 to 6,[\s\S]*compare this key/)
  assert.match(await verify(lines, ...kept), /^Whole: [\s\S]*key that you know/)

  const without = (n: number) => lines.filter((_, i) => i !== n)
  for (let i = 0; i < 6; i++) {
    assert.match(await verify(without(i)), /not whole/, `without line ${i + 1}`)
    const changed = lines.map((line, n) => (n === i ? line.replace('"at":"2', '"at":"3') : line))
    assert.match(await verify(changed), /not whole/, `line ${i + 1} changed`)
    const swapped = [...lines]
    ;[swapped[i], swapped[i + 1]] = [lines[i + 1] ?? '', lines[i] ?? '']
    assert.match(await verify(swapped), /not whole/, `line ${i + 1} moved`)
  }
  assert.match(await verify(lines.slice(0, 6)), /the signed head at the end is missing/)
  const otherKey = Buffer.alloc(32, 1).toString('base64')
  assert.match(await verify(lines, '--key', otherKey), /another key signed the head/)

  // Cut off behind entry 3, with a head that fits: only who kept a later one can know.
  await as(['audit', 'export', at('rest'), '--after', '5'])
  const rest = (await readFile(at('rest'), 'utf8')).trimEnd().split('\n')
  assert.match(await verify(rest), /begins with entry 6/)
  assert.match(await verify(rest, ...kept), /^Whole: entries 6 to 6/)
  await writeFile(at('later'), `${lines.at(-1)}\n`)
  const early = [...lines.slice(0, 5), head.stdout.trim()]
  assert.match(await verify(early), /^Whole: entries 1 to 5/)
  assert.match(await verify(early, '--head', at('later')), /the file ends with entry 5, and there was an entry 6/)
})
