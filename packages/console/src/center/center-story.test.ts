/** What happens on a device, as its user sees it: the page in a real browser, the protocol over real HTTP. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { problem } from '@sluice/protocol'
import type { Browser } from 'playwright-core'
import { buildConsole, dist } from '../../build.ts'
import { launchChromium, skipWithoutChromium } from '../../testing/browser.ts'
import { startCenterService } from '../../testing/center-service.ts'
import * as states from '../../testing/center-states.ts'
import { openReader } from '../../testing/reader.ts'

const offered = states.device([states.upgrade(), states.refused(), states.required()])

describe('Software Center in the browser', { skip: skipWithoutChromium(), timeout: 600_000 }, () => {
  let browser: Browser
  before(async () => {
    await buildConsole()
    browser = await launchChromium()
  })
  after(() => browser.close())

  test('from the list over the confirmation and a restart of the device to the new system', async () => {
    await using service = await startCenterService(dist, offered)
    await using reader = await openReader(browser, service)
    const { page, heading, button } = reader

    await page.getByRole('link', { name: /Upgrade to MiniOS 2/ }).click()
    await heading('Upgrade to MiniOS 2').waitFor()
    await page.getByText('45 minutes').waitFor()
    await page.getByText(/Only what is needed, at most 92\.3.MB/).waitFor()

    // Nothing starts without the confirmation.
    await button('Install').click()
    await heading('Confirm you want to upgrade the operating system on this computer.').waitFor()
    await button('Cancel').click()
    await page.getByRole('alertdialog').waitFor({ state: 'detached' })
    assert.deepEqual(service.installs, [])
    await button('Install').click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Install' }).click()
    await page.getByRole('alertdialog').waitFor({ state: 'detached' })
    assert.deepEqual(service.installs, [states.upgradeId])

    const installing = [states.upgrade({ state: 'installing' })]
    service.show(states.device(installing, states.preparing()))
    await heading('Getting ready').waitFor()

    service.show(states.device(installing, states.downloading()))
    await page.getByText('Step 6 of 12', { exact: true }).waitFor()
    await page.getByText(/21\.4.MB of 36\.8.MB · 1\.2.MB\/s · about 12.sec left/).waitFor()
    await page.getByText('Failed, went on').waitFor()
    const bar = page.getByRole('progressbar', { name: 'Downloading MiniOS 2 upgrade' })
    assert.match((await bar.getAttribute('aria-valuetext')) ?? '', /21\.4/)
    service.show(states.device(installing, states.downloading(36_800_000)))
    await page.getByText(/36\.8.MB of 36\.8.MB/).waitFor()

    service.show(states.device(installing, states.waiting()))
    await page.getByText('Waiting: this goes on by itself').waitFor()
    await page.getByText('The connection is interrupted').waitFor()

    // The device restarts: the page keeps its place, says so, and is back by itself.
    service.show(states.device(installing, states.restarting()))
    await heading('Restarting').waitFor()
    await service.stop()
    await page.getByText('The device is restarting').waitFor()
    await heading('Upgrade to MiniOS 2').waitFor()
    service.show(states.device(installing, states.run({ step: 8, stepName: 'Set up the new release' })))
    await service.start()
    await page.getByText('Step 8 of 12', { exact: true }).waitFor()
    await page.getByText('The device is restarting').waitFor({ state: 'detached' })

    service.show(states.device([states.upgrade({ state: 'installed', lastReport: states.succeeded() })]))
    await heading('Installed successfully').waitFor()
    await page.getByText('MiniOS 2 (beta)').waitFor()
    await page.getByText(/53\.6.MB of 92\.3.MB/).waitFor()
    await page.getByRole('link', { name: 'Installation Status' }).click()
    await page.getByRole('link', { name: /Upgrade to MiniOS 2.*Installed/s }).waitFor()
  })

  test('the service goes away: calm words, the last state stays, nothing can be started', async () => {
    await using service = await startCenterService(dist, offered)
    await using reader = await openReader(browser, service)
    const { page, button } = reader
    await page.getByRole('link', { name: /Upgrade to MiniOS 2/ }).click()
    await button('Install').waitFor()
    await service.stop()
    await page.getByText('Software Center cannot be reached right now').waitFor()
    assert.equal(await button('Install').getAttribute('aria-disabled'), 'true')
    await service.start()
    await page.getByText('Software Center cannot be reached right now').waitFor({ state: 'detached' })
    assert.notEqual(await button('Install').getAttribute('aria-disabled'), 'true')
  })

  test('a refused deployment names each setting to change, and cannot be started', async () => {
    await using service = await startCenterService(dist, offered)
    await using reader = await openReader(browser, service)
    const { page, heading, button } = reader
    await page.getByRole('link', { name: /Firmware/ }).click()
    await heading('Why it cannot be installed right now').waitFor()
    await page.getByText('Allow task sequence to run for client on the Internet', { exact: true }).waitFor()
    await page.getByText('Allow access to cloud distribution point', { exact: true }).waitFor()
    await page.getByText(/INTERNET_NOT_ALLOWED/).waitFor()
    assert.equal(await button('Install').getAttribute('aria-disabled'), 'true')
  })

  test('what the agent refuses at the last moment is said in the dialog', async () => {
    await using service = await startCenterService(dist, offered)
    await using reader = await openReader(browser, service)
    const { page, button } = reader
    service.refuseInstall(problem('RUN_IN_PROGRESS', 'run_0000000009 is running.'))
    await page.getByRole('link', { name: /Upgrade to MiniOS 2/ }).click()
    await button('Install').click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Install' }).click()
    await page.getByText('Another installation is running').waitFor()
    assert.deepEqual(service.installs, [])
  })

  test('a failure says which step, why, and where the log is; it can be tried again', async () => {
    const failed = states.upgrade({ state: 'failed', lastReport: states.failed() })
    await using service = await startCenterService(dist, states.device([failed]))
    await using reader = await openReader(browser, service)
    const { page, heading, button } = reader
    await page.getByRole('link', { name: /Upgrade to MiniOS 2/ }).click()
    await heading('The installation failed').waitFor()
    await page.getByRole('definition').filter({ hasText: 'Upgrade Operating System' }).waitFor()
    await page.getByText('The operating system was not upgraded').waitFor()
    await page.getByText('/var/log/sluice/smsts.log').waitFor()
    // An earlier step that failed says so in its own row: it may be the real reason.
    await page.getByRole('listitem').filter({ hasText: 'Remove old printer queue' }).getByText('exit code 2').waitFor()
    await button('Try again').click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Install' }).click()
    await page.getByRole('alertdialog').waitFor({ state: 'detached' })
    assert.deepEqual(service.installs, [states.upgradeId])
  })

  test('the texts of the sequence replace the standard confirmation; required ones show their deadline', async () => {
    const confirmation = { headline: 'Ready for spring?', text: ['It takes a coffee.', 'Nothing is lost.', 'Go!'] }
    const items = [{ ...states.required(), confirmation }, states.upgrade()]
    await using service = await startCenterService(dist, states.device(items))
    await using reader = await openReader(browser, service)
    const { page, heading, button } = reader
    await page.getByText(/Starts by itself: Mar 14, 2031, 4:00.PM/).waitFor()
    await page.getByRole('tab', { name: 'Required' }).click()
    assert.equal(await page.getByRole('link', { name: /Upgrade to MiniOS 2/ }).count(), 0)
    await page.getByRole('link', { name: /Drivers for spring/ }).click()
    await button('Install').click()
    await heading('Ready for spring?').waitFor()
    for (const text of confirmation.text) await page.getByText(text).waitFor()
  })
})
