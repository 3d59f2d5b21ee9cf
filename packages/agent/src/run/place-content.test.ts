import assert from 'node:assert/strict'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { placeContent } from './place-content.ts'

test('a content is put at a path as a whole: what was there is gone, links stay links', async (t) => {
  const folder = temporaryFolder(t)
  const [content, target] = [join(folder, 'content'), join(folder, 'deep/er/ABC00001')]
  mkdirSync(join(content, 'sub'), { recursive: true })
  writeFileSync(join(content, 'sub/run.sh'), 'true\n', { mode: 0o755 })
  symlinkSync('sub/run.sh', join(content, 'link'))
  mkdirSync(target, { recursive: true })
  writeFileSync(join(target, 'old'), 'x')
  // What an interrupted copy left.
  mkdirSync(`${target}.sluice-part/rest`, { recursive: true })
  assert.ok((await placeContent(content, target)).ok)
  assert.deepEqual(readdirSync(target).sort(), ['link', 'sub'])
  assert.equal(readFileSync(join(target, 'link'), 'utf8'), 'true\n')
  assert.equal(readlinkSync(join(target, 'link')), 'sub/run.sh')
  assert.equal(lstatSync(join(target, 'sub/run.sh')).mode & 0o111, 0o111)
  assert.ok(!existsSync(`${target}.sluice-part`))
})

test('a path that is not one, or cannot be written, is a reason', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'file'), '')
  for (const path of ['relative/ABC00001', join(folder, 'file/ABC00001')]) {
    const placed = await placeContent(folder, path)
    assert.ok(!placed.ok)
    assert.equal(placed.problem.code, 'STEP_COULD_NOT_START')
  }
})
