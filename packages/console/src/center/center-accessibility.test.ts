/** Every view, light and dark, narrow and wide: nothing that axe finds fault with, nothing beyond the window. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { AxeBuilder } from '@axe-core/playwright'
import type { Browser } from 'playwright-core'
import { buildConsole, dist } from '../../build.ts'
import { launchChromium, skipWithoutChromium } from '../../testing/browser.ts'
import { type CenterService, startCenterService } from '../../testing/center-service.ts'
import * as states from '../../testing/center-states.ts'
import { openReader } from '../../testing/reader.ts'

interface View {
  name: string
  hash: string
  state: Parameters<CenterService['show']>[0]
  /** What is there when the view is. */
  text: string
}

const offered = states.device([states.upgrade(), states.refused(), states.required()])
const installing = [states.upgrade({ state: 'installing' })]
const installed = states.upgrade({ state: 'installed', lastReport: states.succeeded() })
const failed = states.upgrade({ state: 'failed', lastReport: states.failed() })
const item = `#/operating-systems/${states.upgradeId}`

const views: View[] = [
  { name: 'list', hash: '#/operating-systems', state: offered, text: 'Drivers for spring 2027' },
  { name: 'details', hash: item, state: offered, text: 'Estimated time' },
  { name: 'confirmation', hash: item, state: offered, text: 'Confirm you want to upgrade' },
  {
    name: 'refused',
    hash: `#/operating-systems/${states.refusedId}`,
    state: offered,
    text: 'Why it cannot be installed right now',
  },
  { name: 'waiting', hash: item, state: states.device(installing, states.waiting()), text: 'this goes on by itself' },
  { name: 'restarting', hash: item, state: states.device(installing, states.restarting()), text: 'Restart Computer' },
  { name: 'success', hash: item, state: states.device([installed]), text: 'Installed successfully' },
  { name: 'failure', hash: item, state: states.device([failed]), text: 'The installation failed' },
  { name: 'options', hash: '#/options', state: offered, text: 'Sync Policy' },
  {
    name: 'offline',
    hash: '#/installation-status',
    state: states.device([], undefined, { online: false }),
    text: 'Not connected to Contoso',
  },
]

describe('Every view of Software Center', { skip: skipWithoutChromium(), timeout: 600_000 }, () => {
  let browser: Browser
  before(async () => {
    await buildConsole()
    browser = await launchChromium()
  })
  after(() => browser.close())

  for (const colorScheme of ['light', 'dark'] as const)
    test(`is right in a ${colorScheme} system`, async () => {
      await using service = await startCenterService(dist, offered)
      await using reader = await openReader(browser, service, { colorScheme })
      const { page, button } = reader
      for (const [index, { name, hash, state, text }] of views.entries()) {
        // Each view is narrow in one scheme and wide in the other.
        const narrow = index % 2 === (colorScheme === 'dark' ? 0 : 1)
        await page.setViewportSize(narrow ? { width: 320, height: 640 } : { width: 1200, height: 800 })
        service.show(state)
        await reader.go(hash)
        if (name === 'confirmation') await button('Install').click()
        await page.getByText(text).first().waitFor()
        // Tabster (the focus library of Fluent UI) marks borders with empty elements that pass the focus on.
        const axe = new AxeBuilder({ page }).exclude('[data-tabster-dummy]').setLegacyMode()
        // Dark differs in its colours only.
        if (colorScheme === 'dark') axe.withRules(['color-contrast'])
        const { violations } = await axe.analyze()
        assert.deepEqual(
          violations.map(({ id, nodes }) => `${name}: ${id}: ${nodes[0]?.html}`),
          [],
        )
        const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
        assert.ok(beyond <= 0, `${name} is ${beyond} px wider than the window`)
        if (name === 'confirmation') {
          await button('Cancel').click()
          await page.getByRole('alertdialog').waitFor({ state: 'detached' })
        }
      }
    })
})
