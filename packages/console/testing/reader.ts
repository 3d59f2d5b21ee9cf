/** A person with a browser who opens Software Center. */
import assert from 'node:assert/strict'
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import type { CenterService } from './center-service.ts'

export interface Reader extends AsyncDisposable {
  readonly page: Page
  heading(name: string | RegExp): Locator
  button(name: string): Locator
  /** Goes to a view by its fragment, as a bookmark would. */
  go(hash: string): Promise<void>
}

/**
 * Opens the page in a browser profile of its own. When the reader is disposed of, anything that the
 * page logged as an error fails the test: an exception, a warning of React, a violated policy.
 */
export async function openReader(
  browser: Browser,
  service: CenterService,
  options: BrowserContextOptions = {},
): Promise<Reader> {
  const context = await browser.newContext({ locale: 'en-US', timezoneId: 'UTC', reducedMotion: 'reduce', ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => {
    // A service that is away, or refuses, is part of the story.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) faults.push(message.text())
  })
  await page.goto(service.url)
  return {
    page,
    heading: (name) => page.getByRole('heading', { name }),
    button: (name) => page.getByRole('button', { name, exact: true }),
    async go(hash) {
      await page.evaluate((to) => {
        window.location.hash = to
      }, hash)
    },
    async [Symbol.asyncDispose]() {
      await context.close()
      assert.deepEqual(faults, [])
    },
  }
}
