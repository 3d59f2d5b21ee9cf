/** A run that its user lets rest, in a real browser. With `SCREENSHOTS=<folder>` the pages are kept as pictures. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { problem } from '@sluice/protocol'
import type { Browser } from 'playwright-core'
import { buildConsole, dist } from '../../build.ts'
import { launchChromium, skipWithoutChromium } from '../../testing/browser.ts'
import { startCenterService } from '../../testing/center-service.ts'
import * as states from '../../testing/center-states.ts'
import { openReader } from '../../testing/reader.ts'

const installing = [states.upgrade({ state: 'installing' })]
const running = (more: object) => states.device(installing, states.run({ step: 3, stepName: 'Get drivers', ...more }))

describe('pausing in the browser', { skip: skipWithoutChromium(), timeout: 600_000 }, () => {
  let browser: Browser
  before(async () => {
    await buildConsole()
    browser = await launchChromium()
  })
  after(() => browser.close())

  test('Pause and Resume stand where the deployment allows them, and say how long', async () => {
    await using service = await startCenterService(dist, running({}))
    await using reader = await openReader(browser, service)
    const { page, heading, button } = reader
    const picture = async (name: string) => {
      if (process.env.SCREENSHOTS !== undefined)
        await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`), fullPage: true })
    }
    // A click is over before the page has asked the agent: the answer is what says that it was heard.
    const ask = (name: string) => Promise.all([page.waitForResponse(/\/(pause|resume)$/), button(name).click()])
    await page.getByRole('link', { name: /Upgrade to MiniOS 2/ }).click()
    await page.getByText('Step 3 of 12', { exact: true }).waitFor()
    assert.equal(await button('Pause').count(), 0)

    service.show(running({ userPauseLeftMs: 4 * 3600_000 }))
    await page.getByText(/You may let it rest for 4.h.* in all/).waitFor()
    await picture('may-pause')
    await ask('Pause')
    assert.deepEqual(service.pauses, [true])
    const asked = { userPauseLeftMs: 4 * 3600_000, pausedBy: 'user', pausedUntil: '2026-11-20T18:00:00.000Z' }
    service.show(running(asked))
    await page.getByText('It rests before the next step.').waitFor()
    await picture('pausing')
    service.show(running({ ...asked, phase: 'paused' }))
    await heading('Paused').waitFor()
    assert.equal(await page.getByText('Installing: Get drivers').count(), 0, 'the line above says it, too')
    await page.getByText(/It goes on by itself at the latest on/).waitFor()
    await picture('paused')

    service.refuseInstall(problem('PAUSE_NOT_ALLOWED', 'Run run_0000000000, 0 s are left.'))
    await ask('Resume')
    await page.getByText('This installation cannot be paused now').waitFor()
    service.refuseInstall(undefined)
    await ask('Resume')
    await page.getByText('This installation cannot be paused now').waitFor({ state: 'detached' })
    assert.deepEqual(service.pauses, [true, false])

    service.show(running({ phase: 'paused', pausedBy: 'administrator', userPauseLeftMs: 1000 }))
    await page.getByText('Your administrator paused it.').waitFor()
    assert.equal(await button('Resume').count(), 0)
    await picture('paused-by-administrator')
  })
})
