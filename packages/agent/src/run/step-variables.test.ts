import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Variables } from '@sluice/engine'
import type { AttemptSpec } from './attempt.ts'
import { createRunners } from './runners.ts'
import { openStepVariables } from './shared-variables.ts'
import { createStepVariables, STEP_VARIABLES } from './step-variables.ts'

const folder = mkdtempSync(join(tmpdir(), "sluice step's variables-"))
after(() => rmSync(folder, { recursive: true }))
const never = new AbortController().signal
const logPath = join(folder, 'smsts.log')

const variables: Variables = {
  model: { name: 'Model', value: 'Lodestar 14', hidden: false },
  pin: { name: 'Pin', value: 'hunter22', hidden: true },
  _smstsmodel: { name: '_SMSTSModel', value: 'Lodestar 14', hidden: false },
}
const spec = (script: string): AttemptSpec => ({
  v: 1,
  action: {
    kind: 'command',
    argv: ['/bin/sh', '-c', script],
    workingDirectory: undefined,
    timeoutMs: undefined,
    hidden: false,
  },
  ...{ osRoot: '/', logPath, workFolder: folder, environment: {}, variables, masked: ['hunter22'] },
})
/** A new agent process: it knows nothing but the folder. */
const agent = () => createRunners({ folder, bootId: 'boot', pollMs: 20, orphanMs: 200 })

test('a script reads, sets and removes variables; the changes are in the outcome', async () => {
  agent().start(
    'script',
    spec(`set -e
      test "$(sluice-ts get model)" = "Lodestar 14"
      if sluice-ts get Nothing; then exit 9; fi
      sluice-ts set Model "- a 'new' one"
      test "$(sluice-ts get MODEL)" = "- a 'new' one"
      sluice-ts set Other ''
      sluice-ts set Made one
      sluice-ts set made two
      echo "fresh-$((40 + 2))" | sluice-ts set --hidden --stdin Token
      sluice-ts get Token
      sluice-ts list`),
  )
  // Whoever comes later finds it.
  const outcome = await agent().outcome('script', never)
  assert.ok(outcome.kind === 'exited')
  assert.equal(outcome.exitCode, 0, outcome.output)
  assert.deepEqual(outcome.changes, [
    { name: 'Model', value: "- a 'new' one", hidden: false },
    { name: 'Other', value: '', hidden: false },
    { name: 'Made', value: 'two', hidden: false },
    { name: 'Token', value: 'fresh-42', hidden: true },
  ])
  assert.match(outcome.output, /^Made=two\nModel=- a 'new' one\nPin=\*+\nToken=\*+$/m)
  const log = readFileSync(logPath, 'utf8')
  assert.ok(!log.includes('fresh-42') && !log.includes('hunter22'))
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('.variables')),
    [],
  )
})

test('what a run may not have is refused to the script, with the reason', async () => {
  const runners = agent()
  runners.start(
    'refused',
    spec(
      'sluice-ts set _SMSTSModel x 2>&1; echo $?; sluice-ts set "a b" x 2>&1; echo $?; sluice-ts put 2>/dev/null; echo $?',
    ),
  )
  const outcome = await runners.outcome('refused', never)
  assert.ok(outcome.kind === 'exited')
  assert.equal(outcome.output, 'The name "_SMSTSModel" may not be set.\n1\nThe name "a b" may not be set.\n1\n2\n')
  assert.deepEqual(outcome.changes, [])
})

test('many at once lose nothing', async () => {
  const runners = agent()
  runners.start('many', spec('for i in 1 2 3 4; do sluice-ts set "V$i" "$i" & done; wait'))
  const outcome = await runners.outcome('many', never)
  assert.ok(outcome.kind === 'exited')
  const changed = outcome.changes?.map(({ name, value }) => `${name}=${value}`)
  assert.deepEqual(changed?.sort(), ['V1=1', 'V2=2', 'V3=3', 'V4=4'])
})

test('limits: number and size of variables; after the step there is nothing to set', () => {
  const path = join(folder, 'limits')
  const file = createStepVariables(path, variables)
  const opened = openStepVariables(file.environment[STEP_VARIABLES])
  assert.ok(opened.ok)
  const { set, get } = opened.value
  assert.equal(set('Long', 'x'.repeat(4_001), false)?.code, 'VARIABLE_REFUSED')
  for (let index = 0; index < 998; index++) assert.equal(set(`V${index}`, '1', false), undefined)
  assert.equal(set('OneMore', '1', false)?.code, 'VARIABLE_REFUSED')
  assert.equal(set('V0', '', false), undefined)
  assert.equal(set('OneMore', '1', false), undefined)
  assert.equal(set('Pin', 'changed', false), undefined)
  assert.ok(file.hiddenValues().includes('changed'), 'what is hidden stays hidden')
  assert.equal(get('V0'), undefined)
  opened.value.close()
  file.remove()
  assert.ok(!openStepVariables(path).ok)
  assert.ok(!openStepVariables(undefined).ok)
})
