import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, test } from 'node:test'
import { createStepVariables } from './step-variables.ts'
import { converseAboutVariables, MAX_REQUEST_BYTES } from './variables-conversation.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-conversation-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'variables')
const word = (text: string) => Buffer.from(text).toString('base64')
const text = (line: string | undefined) => line?.replace(/\S+$/, (last) => Buffer.from(last, 'base64').toString())

async function answers(...parts: string[]): Promise<string[]> {
  const said: string[] = []
  const input = Readable.from(parts.map((part) => Buffer.from(part)))
  await converseAboutVariables(input, (line) => said.push(line), path)
  return said
}

test('one answer a request, however the requests are cut on their way', async () => {
  const file = createStepVariables(path, { pin: { name: 'Pin', value: 'hunter22', hidden: true } })
  const [mark, ...rest] = ['\ufeffget ', `${word('PIN')}\r\nshow ${word('Pin')}\nset ${word('A')} -\nset `]
  const said = await answers(mark ?? '', ...rest, `${word('B')} ${word('ü\n')}\nget ${word('b')}\nnames\n`, 'names')
  const [pin, shown, ...others] = said
  assert.equal(text(pin), 'value hunter22')
  assert.match(text(shown) ?? '', /^value \*+$/)
  assert.deepEqual(others, ['done', 'done', `value ${word('ü\n')}`, `names ${word('B')} ${word('Pin')}`])
  assert.deepEqual(
    file.changes().map(({ name }) => name),
    ['A', 'B'],
  )

  assert.equal(text((await answers('get\n'))[0]), 'refused The request is not understood.')
  assert.equal(text((await answers(`set ${word('_X')} ${word('1')}\n`))[0]), 'refused The name "_X" may not be set.')
  const long = await answers('x'.repeat(MAX_REQUEST_BYTES), 'x', '\nnames\n')
  assert.deepEqual(long.map(text), ['refused The request is too long.'])

  file.remove()
  assert.match(text((await answers('names\n'))[0]) ?? '', /^refused There is no task sequence/)
})
