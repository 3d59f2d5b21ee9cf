import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

test('a runner loads neither engine nor protocol: every step waits for its start', () => {
  const program = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    for (const name of ['attempt', 'perform', 'session']) await import('${new URL('.', import.meta.url)}' + name + '.ts')
    console.log(JSON.stringify(loaded))`
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' })
  const loaded = JSON.parse(output) as string[]
  assert.ok(loaded.some((url) => url.endsWith('/step-variables.ts')))
  assert.deepEqual(
    loaded.filter((url) => /\/(engine|protocol|zod)\//.test(url)),
    [],
  )
})
