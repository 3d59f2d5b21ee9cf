import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandLineOf, isBatchFile, quoteWord } from './command-line.ts'

test('words are quoted so that the C runtime reads them again', () => {
  // "Parsing C++ command-line arguments", Microsoft Learn: backslashes count only before a quotation mark.
  for (const [word, quoted] of [
    ['plain', 'plain'],
    ['', '""'],
    ['a b', '"a b"'],
    ['C:\\Program Files\\x', '"C:\\Program Files\\x"'],
    ['a "b" c', '"a \\"b\\" c"'],
    ['ends here\\', '"ends here\\\\"'],
    ['a\\"b', '"a\\\\\\"b"'],
    ['plain\\', 'plain\\'],
  ] as const)
    assert.equal(quoteWord(word), quoted)
})

test('msiexec finds its properties', () => {
  assert.equal(
    commandLineOf(['msiexec.exe', '/i', 'C:\\My files\\a.msi', 'INSTALLDIR=C:\\Program Files\\A\\', '/qn']),
    '"msiexec.exe" /i "C:\\My files\\a.msi" INSTALLDIR="C:\\Program Files\\A\\\\" /qn',
  )
})

test('the command interpreter gets its text as it is', () => {
  assert.equal(commandLineOf(['cmd.exe', '/c', 'copy "a b" c & exit 3']), '"cmd.exe" /d /s /c "copy "a b" c & exit 3"')
  assert.equal(
    commandLineOf(['C:\\Windows\\System32\\CMD.EXE', '/v:on', '/C', 'install.cmd', 'a b', '']),
    '"C:\\Windows\\System32\\CMD.EXE" /v:on /d /s /C "install.cmd "a b" """',
  )
  assert.equal(commandLineOf(['cmdkey.exe', '/c', 'a b']), '"cmdkey.exe" /c "a b"')
})

test('a batch file is told from a program, whatever Windows leaves off its name', () => {
  for (const name of ['a.cmd', 'A.BAT', 'x\\a.bat.', 'a.cmd ']) assert.ok(isBatchFile(name), name)
  for (const name of ['cmd.exe', 'a.bat.exe', 'cmd']) assert.ok(!isBatchFile(name), name)
})
