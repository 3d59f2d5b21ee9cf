/** What an administrator is told who mistypes, at the commands about packages and storage. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { testSite } from './testing/site.ts'

const { at, as, text, json } = await testSite('package-mistakes')

async function said(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await as(args)
  assert.deepEqual([code, stdout], [1, ''], args.join(' '))
  return stderr
}

test('a first import that fails says that its package stays, and how to go on', async () => {
  await writeFile(at('a.zip'), 'no archive\n')
  const failed = await said('package', 'import', at('a.zip'), '--id', 'ABC00001')
  assert.match(failed, /^ABC00001 stays, empty: import what is mended with --id ABC00001, or give it up with/)
  assert.match(failed, /a\.zip: it is no zip archive, or it is cut off\./)
  assert.match(await text('package', 'list'), /^ABC00001 +0 +empty /m)

  await mkdir(at('mended'))
  await writeFile(at('mended/file'), 'x')
  await text('package', 'import', at('mended'), '--id', 'ABC00001')
  assert.equal((await json<{ version: number }>('package', 'show', 'ABC00001')).version, 1)
})

test('labels, tags and addresses that cannot be are told with what they should be', async () => {
  assert.equal(await said('package', 'label', 'ABC00001', 'kind'), 'Give name=value.\n')
  assert.equal(await said('package', 'label', 'ABC00001', 'kind='), 'kind: a value of 1 to 100 characters\n')
  assert.equal(
    await said('package', 'options', 'ABC00001', '--language', 'x y'),
    '--language: Give a language such as de-DE or de, or none.\n',
  )
  await writeFile(at('key'), 'secret')
  const azure = ['distribution-point', 'add', 'azure', 'cloud', '--account', 'a', '--key-file', at('key')]
  assert.match(await said(...azure, '--container', 'cloud'), /containerUrl: no address such as https:/)
  assert.match(await said(...azure, '--container', 'http://192.0.2.1/x'), /https is needed/)
})

test('what is done to a place that has nothing of the package is said to have done nothing', async () => {
  await text('gateways', 'add', 'edge1', '--url', 'https://192.0.2.1')
  assert.match(await said('package', 'validate', 'ABC00001', '--at', 'edge1'), /ABC00001 is not distributed to edge1\./)
  const cancelled = await as(['package', 'cancel', 'ABC00001', '--at', 'edge1'])
  assert.deepEqual([cancelled.code, cancelled.stderr], [0, 'Nothing was under way at edge1.\n'])
  const removed = await as(['package', 'remove', 'ABC00001', '--from', 'edge1'])
  assert.deepEqual([removed.code, removed.stderr], [0, 'ABC00001 was not at edge1.\n'])
})

test('a wrong token, another authority and a site that is not there are told apart', async () => {
  await writeFile(at('token'), 'abcdefghijklmnop')
  assert.match(await said('site', '--token-file', at('token')), /not one of this site, was taken back, or is over/)
  const other = at('site/keys/authorities/device-authority.pem')
  assert.match(await said('site', '--authority', other), /not by the authority that you trust here \(--authority\)/)
  assert.match(await said('site', '--site', 'https://127.0.0.1:1'), /ECONNREFUSED 127\.0\.0\.1:1/)
})
