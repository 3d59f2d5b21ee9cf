/** Who reads the page: the session token, the language, the keyboard. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { buildConsole, dist } from '../../build.ts'
import { launchChromium, skipWithoutChromium } from '../../testing/browser.ts'
import { startCenterService } from '../../testing/center-service.ts'
import * as states from '../../testing/center-states.ts'
import { openReader } from '../../testing/reader.ts'

const offered = states.device([states.upgrade(), states.refused(), states.required()])

describe('A reader of Software Center', { skip: skipWithoutChromium(), timeout: 600_000 }, () => {
  let browser: Browser
  before(async () => {
    await buildConsole()
    browser = await launchChromium()
  })
  after(() => browser.close())

  test('never has the token in the address bar, nor in the history', async () => {
    await using service = await startCenterService(dist, offered)
    await using reader = await openReader(browser, service)
    const { page, heading } = reader
    const token = new URL(service.url).hash.slice('#token='.length)
    await heading('Operating Systems').waitFor()
    assert.ok(!page.url().includes(token))
    await page.getByRole('link', { name: 'Options' }).click()
    await heading('Options').waitFor()
    await page.goBack()
    await heading('Operating Systems').waitFor()
    assert.ok(!page.url().includes(token))
    await page.reload()
    await heading('Operating Systems').waitFor()

    // A page without the token, and one whose token is no longer good.
    await page.evaluate(() => sessionStorage.clear())
    await page.reload()
    await heading('Open Software Center from this device').waitFor()
    await page.goto('about:blank')
    await page.goto(service.url.replace(token, 'another-token'))
    await heading('Please open Software Center again').waitFor()
    await page.waitForFunction(() => sessionStorage.length === 0)

    // The link of the device, opened in the tab that lost its session.
    await page.goto(service.url)
    await heading('Operating Systems').waitFor()
  })

  const labels = {
    'en-GB': ['Software Center', 'Operating Systems', 'Required', 'Available', 'Sync Policy', 'has been asked'],
    'de-AT': [
      'Softwarecenter',
      'Betriebssysteme',
      'Erforderlich',
      'Verfügbar',
      'Richtlinie synchronisieren',
      'wurde gefragt',
    ],
    'es-ES': [
      'Centro de software',
      'Sistemas operativos',
      'Obligatorio',
      'Disponible',
      'Sincronizar directiva',
      'Se ha consultado',
    ],
    'it-IT': [
      'Software Center',
      'Sistemi operativi',
      'Obbligatorio',
      'Disponibile',
      'Sincronizza criteri',
      'è stata inviata',
    ],
    'sv-SE': [
      'Software Center',
      'Operativsystem',
      'Obligatoriskt',
      'Tillgänglig',
      'Synkronisera princip',
      'har fått frågan',
    ],
  }
  for (const [
    locale,
    [product = '', section = '', required = '', available = '', sync = '', asked = ''],
  ] of Object.entries(labels))
    test(`gets the language of a browser in ${locale}`, async () => {
      await using service = await startCenterService(dist, offered)
      await using reader = await openReader(browser, service, { locale })
      const { page, heading, button } = reader
      await heading(section).waitFor()
      // Title and language of the document follow what is drawn.
      await page.waitForFunction((title) => document.title === title, `${section} · ${product}`)
      await page.waitForFunction((language) => document.documentElement.lang === language, locale.slice(0, 2))
      await page.getByText(required, { exact: true }).first().waitFor()
      await page.getByText(available, { exact: true }).first().waitFor()
      await reader.go('#/options')
      await button(sync).click()
      await page.getByText(asked).waitFor()
      assert.equal(service.policySyncs, 1)
    })

  test('keeps a chosen language over the one of the browser', async () => {
    await using service = await startCenterService(dist, offered)
    await using reader = await openReader(browser, service, { locale: 'fr-FR' })
    const { page, heading } = reader
    await page.getByRole('button', { name: 'Language: English' }).click()
    await page.getByRole('menuitemradio', { name: 'Svenska' }).click()
    await heading('Operativsystem').waitFor()
    await page.reload()
    await heading('Operativsystem').waitFor()
  })

  test('needs no more than the keyboard', async () => {
    await using service = await startCenterService(dist, offered)
    await using reader = await openReader(browser, service)
    const { page, heading } = reader
    const focusIn = (tag: string) => page.waitForFunction((name) => document.activeElement?.tagName === name, tag)
    await heading('Operating Systems').waitFor()
    await page.keyboard.press('Tab')
    await page.waitForFunction(() => document.activeElement?.textContent === 'Skip to content')
    await page.keyboard.press('Enter')
    await focusIn('MAIN')
    // Past the filter, which is one stop, to the third card.
    for (let stop = 0; stop < 4; stop++) await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await heading('Upgrade to MiniOS 2').waitFor()
    await focusIn('MAIN')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    // Cancel has the focus: a key that is held down starts nothing.
    await page.getByRole('alertdialog').waitFor()
    await page.waitForFunction(() => document.activeElement?.textContent === 'Cancel')
    await page.keyboard.press('Escape')
    await page.getByRole('alertdialog').waitFor({ state: 'detached' })
    await page.waitForFunction(() => document.activeElement?.textContent === 'Install')
    assert.deepEqual(service.installs, [])
  })
})
