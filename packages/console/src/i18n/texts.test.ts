import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { type ProblemCode, problems } from '@sluice/protocol'
import { problemText } from '../ui/problem-text.ts'
import { languages } from './language.ts'
import { createTranslator, texts } from './texts.ts'

/** `{a: {b: 'text'}}` as `{'a.b': 'text'}`. */
function flat(tree: object, path = ''): Map<string, string> {
  const leaves = new Map<string, string>()
  for (const [key, value] of Object.entries(tree))
    if (typeof value === 'string') leaves.set(path + key, value)
    else for (const [deeper, text] of flat(value, `${path}${key}.`)) leaves.set(deeper, text)
  return leaves
}

const placeholders = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name).toSorted()

const english = flat(texts.en)

for (const language of languages.filter((one) => one !== 'en')) {
  test(`${language}: no text is missing, none is left over`, () => {
    assert.deepEqual([...flat(texts[language]).keys()].toSorted(), [...english.keys()].toSorted())
  })

  test(`${language}: every text is there and has the placeholders of the English one`, () => {
    for (const [key, text] of flat(texts[language])) {
      assert.notEqual(text.trim(), '', key)
      assert.deepEqual(placeholders(text), placeholders(english.get(key) ?? ''), key)
    }
  })
}

/** Codes that only an administrator or a server can meet: they never reach this page. */
const neverShown: ReadonlySet<string> = new Set<ProblemCode>([
  'BAD_REQUEST',
  'BODY_TOO_LARGE',
  'FORBIDDEN',
  'RELEASE_REFUSED',
  'DEVICE_SIGN_IN_REFUSED',
  'DEVICE_BLOCKED',
  'PACKAGE_NEEDED',
  'KEY_ELSEWHERE',
  'DEBUG_NOT_ALLOWED',
  'DEBUG_REFUSED',
  'APPROVAL_REFUSED',
  'SIGN_IN_REFUSED',
  'SECOND_FACTOR_NEEDED',
  'SIGN_IN_THROTTLED',
  'SIGN_IN_AGAIN',
  'INVITATION_REFUSED',
  'ENROLMENT_TOKEN_REFUSED',
  'KEY_OF_ANOTHER_DEVICE',
  'ORGANISATION_CERTIFICATE_REFUSED',
  // A step hears of them from `sluice-ts secret`.
  'SECRET_REFUSED',
  'RUN_NOT_REPORTED',
  'RANGE_REFUSED',
  // The agent takes it as `PACK_GONE`.
  'OBJECT_REFUSED',
  'ARCHIVE_NEEDS_MEMORY',
  'STORAGE_REFUSED',
  'STORAGE_UNAVAILABLE',
  'STORAGE_CANNOT_SIGN',
  'CONTENT_IN_USE',
  'CONTENT_NOT_SAFE',
  'CONTENT_UNREADABLE',
  'CONTENT_TOO_LARGE',
  'CONTENT_CHANGED_DURING_IMPORT',
  'SEQUENCE_INVALID',
  'SEQUENCE_REFERENCE_MISSING',
  'STATUS_SUMMARISED',
  'KEYS_MISSING',
  'DATA_TOO_NEW',
  'DATA_FOLDER_IN_USE',
  'PORT_TAKEN',
  'CONFIGURATION_INVALID',
  // Found by `sluice gateway check` and `sluice-agent check` only.
  'GATEWAY_NAME_UNKNOWN',
  'GATEWAY_PORT_CLOSED',
  'PROXY_REFUSED',
  'TLS_REFUSED',
  'TLS_OUTDATED',
  'GATEWAY_CERTIFICATE_UNTRUSTED',
  'GATEWAY_CERTIFICATE_WRONG_NAME',
  'GATEWAY_CERTIFICATE_EXPIRED',
  'GATEWAY_CERTIFICATE_ENDS_SOON',
  'NOT_A_GATEWAY',
  'GATEWAY_REVEALS',
  'OUTBOUND_THRESHOLD_EXCEEDED',
  'CLOCK_WRONG',
  'CONNECTION_CUT',
])

test('every problem that a reader can meet has words in every language', () => {
  const untranslated = languages.flatMap((language) =>
    Object.keys(problems)
      .filter((code) => !neverShown.has(code) && !Object.hasOwn(texts[language].problem, code))
      .map((code) => `${language}: ${code}`),
  )
  assert.deepEqual(untranslated, [], 'translate them under "problem", or list them as never shown')
})

test('words are kept for known problems only', () => {
  for (const code of Object.keys(texts.en.problem)) assert.ok(Object.hasOwn(problems, code), code)
})

test('an unknown problem keeps the title that came with it', () => {
  assert.deepEqual(problemText({ code: 'NEW_ONE', title: 'Something new' }, 'de'), { title: 'Something new' })
  assert.deepEqual(problemText({ code: 'constructor', title: 'Sly' }, 'de'), { title: 'Sly' })
})

test('settings have the labels of the original, in every language', () => {
  const internet = 'INTERNET_NOT_ALLOWED'
  const onDemand = 'ON_DEMAND_REQUIRED'
  const served = 'GATEWAY_CONTENT_DISABLED'
  const labels = {
    en: {
      [internet]: 'Allow task sequence to run for client on the Internet',
      [onDemand]: 'Download content locally when needed by the running task sequence',
      [served]: 'Allow CMG to function as a cloud distribution point and serve content from Azure storage',
    },
    de: {
      [internet]: 'Ausführung der Tasksequenz für internetbasierten Client zulassen',
      [onDemand]: 'Inhalt lokal herunterladen, wenn dies für die ausgeführte Tasksequenz erforderlich ist',
      [served]:
        'Verwendung dieses Diensts als Cloudverteilungspunkt und zum Verarbeiten von Inhalt aus Azure Storage zulassen',
    },
    es: {
      [internet]: 'Permitir que la secuencia de tareas se ejecute para el cliente en Internet',
      [onDemand]: 'Descargar localmente el contenido cuando sea necesario al ejecutar la secuencia de tareas',
      [served]: 'Permitir a CMG funcionar como un punto de distribución de nube y servir contenido desde Azure Storage',
    },
    it: {
      [internet]: "Consenti l'esecuzione della sequenza di attività per il client in Internet",
      [onDemand]: 'Scaricare il contenuto localmente quando è necessario per la sequenza di attività in esecuzione',
      [served]:
        'Consenti il funzionamento di CMG come punto di distribuzione cloud e per la gestione di contenuti da Archiviazione di Azure',
    },
    sv: {
      [internet]: 'Tillåt att aktivitetssekvensen körs för klient på Internet',
      [onDemand]: 'Hämta innehåll lokalt vid behov när aktivitetssekvensen körs',
      [served]: 'Tillåt att CMG fungerar som en molndistributionsplats och hanterar innehåll från Azure Storage',
    },
  }
  for (const language of languages)
    for (const [code, label] of Object.entries(labels[language]))
      assert.equal(problemText({ code, title: '' }, language).setting, label)
})

test('every text is used by some page', async () => {
  const folder = new URL('../', import.meta.url)
  const files = (await readdir(folder, { recursive: true })).filter((name) => /(?<!\.test)\.tsx?$/.test(name))
  const code = (await Promise.all(files.map((name) => readFile(new URL(name, folder), 'utf8')))).join('\n')
  const unused = [...english.keys()].filter((key) => {
    if (key.startsWith('problem.')) return false
    // A key is written out, or all but one of its parts is: t(`status.${kind}`).
    const open = key.split('.').map((_, index, parts) => parts.with(index, '\u0000').join('.'))
    return !code.includes(`'${key}'`) && !open.some((one) => matchesTemplate(code, one))
  })
  assert.deepEqual(unused, [])
})

/** Whether a template such as `a.${x}.c` stands in the code, for `a.\0.c`. */
function matchesTemplate(code: string, key: string): boolean {
  const [before = '', after = ''] = key.split('\u0000')
  return new RegExp(`\`${RegExp.escape(before)}\\$\\{[^}]*\\}${RegExp.escape(after)}\``).test(code)
}

test('a translator is ready at once and fills placeholders without escaping', () => {
  const { t } = createTranslator('sv')
  assert.equal(t('progress.step', { step: 2, total: 7 }), 'Steg 2 av 7')
  assert.equal(t('status.downloading', { name: 'A & B' }), 'Hämtar A & B')
})
