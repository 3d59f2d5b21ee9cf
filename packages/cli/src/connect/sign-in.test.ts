/** Signing in on a terminal, at a real site. */
import assert from 'node:assert/strict'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AdministratorInfo, AuditEntry } from '@sluice/protocol'
import { default as jsqr } from 'jsqr'
import type { CommandOptions } from '../testing/command.ts'
import { testSite } from '../testing/site.ts'

const PASSWORD = 'a ladder leans on the wall'
const { folder, ready, as } = await testSite('login')
const first = (ready.firstAdministrator as { url: string }).url
async function text(args: string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await as(args, options)
  assert.equal(code, 0, `${args.join(' ')}\n${stderr}`)
  return stdout
}
const codeOf = (url: string) => new URL(url).hash.replace('#code=', '')

test('the first administrator sets a password on the terminal, and is who he is', async () => {
  const wrong = await as(['login', 'anna', '--invited'], { answers: [codeOf(first), PASSWORD, 'something else'] })
  assert.match(wrong.stderr, /not the same/)
  const said = await text(['login', 'anna', '--invited'], { answers: [codeOf(first), PASSWORD, PASSWORD] })
  assert.match(said, /^Signed in as anna, at most until /)
  assert.match(await text(['whoami']), /^anna \(administrator adm_\w+\)\nRoles: Full Administrator\n/)
  const kept = join(folder, '.local/state/sluice')
  for (const file of await readdir(kept)) assert.equal((await stat(join(kept, file))).mode & 0o777, 0o600)
  const twice = await as(['login', 'anna', '--invited'], { answers: [codeOf(first), PASSWORD, PASSWORD] })
  assert.match(twice.stderr, /INVITATION_REFUSED/)

  await text(['logout'])
  assert.match(await text(['whoami']), /^data folder /)
  assert.match((await as(['logout'])).stderr, /not signed in/)
  assert.match((await as(['login', 'anna'], { answers: ['wrong'] })).stderr, /SIGN_IN_REFUSED/)
  assert.match((await as(['login'])).stderr, /no terminal/)
  await text(['login'], { answers: ['anna', PASSWORD] })
  assert.match(await text(['whoami']), /^anna /)
})

test('an authenticator app is set up on the terminal: the picture is what an app reads', async () => {
  const { stderr } = await as(['authenticator'], { answers: ['none'] })
  assert.match(stderr, /six digits; nothing was changed/)
  const key = /give it this key: (\w+)/.exec(stderr)?.[1] ?? ''
  const lines = stderr.split('\n').filter((line) => /^[█▀▄ ]{20,}$/.test(line))
  const rows = lines.flatMap((line) =>
    [line.replaceAll('▀', '█'), line.replaceAll('▄', '█')].map((row) => row.replaceAll(/[▀▄]/g, ' ')),
  )
  const width = lines[0]?.length ?? 0
  const scale = 4
  const pixels = new Uint8ClampedArray((width * scale) ** 2 * 4).fill(255)
  for (let y = 0; y < width * scale; y++)
    for (let x = 0; x < width * scale; x++)
      if (rows[Math.floor(y / scale)]?.[Math.floor(x / scale)] === ' ')
        pixels.fill(0, (y * width * scale + x) * 4, (y * width * scale + x) * 4 + 3)
  // The types of this CommonJS module are those of an ES module.
  const read = jsqr as unknown as typeof jsqr.default
  assert.equal(new URL(read(pixels, width * scale, width * scale)?.data ?? '').searchParams.get('secret'), key)
})

test('others are invited, changed, shut out and reset, and all of it is in the audit', async () => {
  await text(['collection', 'create', 'Laptops'])
  const invited = await text(['admins', 'invite', 'Berta', '--role', 'osDeploymentManager', '--collection', 'Laptops'])
  const link = /https:\S+/.exec(invited)?.[0] ?? ''
  const berta = { env: { HOME: join(folder, 'berta') } }
  await text(['login', '--invited'], { ...berta, answers: [codeOf(link), PASSWORD, PASSWORD] })
  assert.match(await text(['whoami'], berta), /^berta [\s\S]*\nCollections: col_/)
  assert.match((await as(['admins'], berta)).stderr, /FORBIDDEN/)
  assert.match(await text(['collection', 'list'], berta), /Laptops/)

  await text(['admins', 'change', 'berta', '--role', 'readOnlyAnalyst', '--everywhere', '--subject', 'sub-7'])
  assert.match(await text(['admins']), /berta +active +readOnlyAnalyst +all +password, sign-on as sub-7/)
  assert.match((await as(['admins', 'change', 'anna', '--disabled', 'on'])).stderr, /FORBIDDEN[\s\S]*shuts himself out/)
  await text(['admins', 'change', 'berta', '--disabled', 'on'])
  assert.match((await as(['whoami'], berta)).stderr, /NOT_AUTHENTICATED/)
  await text(['admins', 'reset', 'berta'])
  const all = JSON.parse(await text(['admins', '--json'])) as AdministratorInfo[]
  assert.deepEqual(
    all.map(({ name, state }) => [name, state]),
    [
      ['anna', 'active'],
      ['berta', 'invited'],
    ],
  )
  const entries = JSON.parse(await text(['audit', '--json'])) as AuditEntry[]
  const told = entries.map((one) => `${one.actor.name} ${one.action} ${one.outcome}`)
  for (const wanted of ['anna signIn done', 'anna inviteAdministrator done', 'berta administrators FORBIDDEN'])
    assert.ok(told.includes(wanted), wanted)
  assert.ok(told.includes('anna resetAdministrator done') && !JSON.stringify(entries).includes(PASSWORD))
})
