/** Names, whatever they are: what is let through can be written below the target folder, and is one file there. */
import { equal, ok } from 'node:assert/strict'
import { posix, win32 } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { comparePaths, nameFault, nameKey, pathFault } from './entry-path.ts'

const odd = fc.constantFrom(
  ...[
    '.',
    '..',
    '/',
    '\\',
    ':',
    '*',
    '?',
    '"',
    '<',
    '>',
    '|',
    ' ',
    '\t',
    '\n',
    '\0',
    '\u007f',
    'CON',
    'nul',
    'COM1',
    'lpt¹',
  ],
  ...[
    'a',
    'A',
    'ä',
    'A\u030a',
    'Å',
    'ß',
    'ı',
    'İ',
    '\u2028',
    '\ud83e\udde9',
    '\ud800',
    '\ufeff',
    '.txt',
    '~1',
    '$MFT',
    'x'.repeat(200),
  ],
)
const name = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.array(odd, { maxLength: 4 }).map((parts) => parts.join('')),
)
const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((names) => names.join('/'))
const seeded = { seed: 20260101, numRuns: 5000 }

test('each class of name that Windows reserves or takes for another is refused for it, and kept for Linux', () => {
  const classes = [
    ...['CON', 'nul.txt', 'con .txt', 'Aux.tar.gz', 'COM0', 'com9.log', 'COM¹', 'lpt³.x', 'CONIN$', 'conout$'],
    ...['a:b', 'a\\b', 'a*', 'a?', '"a"', '<a>', 'a|b', 'a\u0001'],
    ...['a.', 'a ', 'A\u030a', 'x'.repeat(256)],
  ]
  for (const one of classes) {
    for (const target of ['windows', 'any'] as const) ok(pathFault(`folder/${one}`, target) !== undefined, one)
    if (one.length < 256) equal(pathFault(`folder/${one}`, 'linux'), undefined, one)
  }
  for (const one of ['CONSOLE', 'com10', 'nul-x', 'a.b', '.hidden', 'ä'])
    for (const target of ['windows', 'any', 'linux'] as const) equal(pathFault(one, target), undefined, one)
})

test('a path that is let through stays below its folder on every target', () => {
  fc.assert(
    fc.property(path, fc.constantFrom('linux', 'windows', 'any'), (given, target) => {
      if (pathFault(given, target) !== undefined) return
      ok(posix.join('/root', given).startsWith('/root/'))
      equal(posix.normalize(given), given)
      if (target === 'linux') return
      ok(win32.join('C:\\root', given).startsWith('C:\\root\\'))
      ok(!win32.isAbsolute(given))
      for (const one of given.split('/')) {
        // What Windows would take for something else: a stream, a device, the name without its end.
        ok(!/[:*?"<>|\\]/.test(one) && !/[. ]$/.test(one))
        ok(![...one].some((character) => character < ' '))
        ok(!/^(con|prn|aux|nul|com[0-9]|lpt[0-9])$/i.test(one.split('.')[0] ?? ''))
        ok(one.length <= 255)
      }
    }),
    seeded,
  )
})

test('names that Windows takes for one file have one key, and names that it tells apart on Linux have two', () => {
  fc.assert(
    fc.property(name, (given) => {
      if (nameFault(given, 'any') !== undefined) return
      const single = [...given].every(
        (one) => one.toUpperCase().length === one.length && one.toLowerCase().length === one.length,
      )
      if (single && given.toUpperCase().toLowerCase().toUpperCase() === given.toUpperCase())
        equal(nameKey(given, 'windows'), nameKey(given.toUpperCase(), 'windows'))
      equal(nameKey(given, 'linux'), given)
    }),
    seeded,
  )
})

test('Linux refuses only what it cannot hold', () => {
  for (const fine of [
    'a:b',
    'CON',
    'trailing.',
    'trailing ',
    'what?',
    'tab\t',
    'back\\slash',
    'perl5:Module::Name.3pm',
    'A\u030a',
  ])
    equal(nameFault(fine, 'linux'), undefined, fine)
  for (const bad of ['', '.', '..', 'a/b', 'a\0b', '\ud800', 'x'.repeat(256), 'ä'.repeat(128)])
    ok(nameFault(bad, 'linux') !== undefined)
})

test('the order of paths is one: folders stand together', () => {
  fc.assert(
    fc.property(fc.array(path, { maxLength: 30 }), (paths) => {
      const sorted = [...new Set(paths)].sort(comparePaths)
      for (let i = 1; i < sorted.length; i++) {
        const [before, after] = [sorted[i - 1] as string, sorted[i] as string]
        ok(comparePaths(before, after) < 0 && comparePaths(after, before) > 0)
      }
    }),
    { ...seeded, numRuns: 500 },
  )
})
