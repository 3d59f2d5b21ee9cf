import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildConsole, dist } from '../build.ts'

test('pages are built when a source has changed since, and only then', async () => {
  await buildConsole()
  assert.equal(await buildConsole(), false)
})

test('a page needs its own origin only: files with a hash in their name, no script or style of its own', async () => {
  await buildConsole()
  const page = await readFile(join(dist, 'center.html'), 'utf8')
  const files = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file)
  const assets = await readdir(join(dist, 'assets'))
  assert.ok(files.length >= 3)
  for (const file of files) {
    assert.match(file ?? '', /^\.\/assets\/[\w-]+-[\w-]{8}\.(js|css|svg)$/)
    assert.ok(assets.includes(file?.slice('./assets/'.length) ?? ''), file)
  }
  assert.doesNotMatch(page, /<style|<script[^>]*>[^<]|unsafe-(inline|eval)/)
  assert.match(page, /http-equiv="Content-Security-Policy"/)
})
