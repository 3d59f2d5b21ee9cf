/** The page on which administrators sign in, in a real Chromium with a virtual authenticator, at a real site. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect } from 'node:tls'
import { Secret, TOTP } from 'otpauth'
import { type Browser, chromium, type Page } from 'playwright-core'
import { findChromium, skipWithoutChromium } from '../../../../console/testing/browser.ts'
import { readPixels } from '../../testing/read-qr.ts'
import { type SiteProcess, startSiteProcess } from '../../testing/site-process.ts'
import { languageOf, pageLanguages, readSignInPage } from './page.ts'

const PASSWORD = 'a ladder leans on the wall'
/** Set it to a folder to look at the page. */
const screenshots = process.env.SLUICE_SCREENSHOTS

describe('the page for signing in', { skip: skipWithoutChromium() }, () => {
  let folder: string
  let site: SiteProcess
  let browser: Browser
  let page: Page
  let link: URL
  const faults: string[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-page-'))
    await writeFile(
      join(folder, 'site.json'),
      JSON.stringify({ dataFolder: 'data', name: '<b>Contoso</b> & Co', admin: { host: '127.0.0.1', port: 0 } }),
    )
    site = await startSiteProcess(join(folder, 'site.json'))
    link = new URL(site.ready?.firstAdministrator?.url ?? '')
    browser = await chromium.launch({
      executablePath: findChromium() ?? 'chromium',
      timeout: 120_000,
      // As if the authority of the site were trusted here: passkeys need a certificate without fault.
      args: [
        '--no-sandbox',
        '--disable-gpu',
        `--ignore-certificate-errors-spki-list=${await keyHash(Number(link.port))}`,
      ],
    })
    const context = await browser.newContext({ locale: 'en-US' })
    page = await context.newPage()
    page.setDefaultTimeout(60_000)
    page.on('console', (message) => {
      // The browser tells of every refusal; those are expected here.
      if (message.type() === 'error' && !message.text().includes('status of 4')) faults.push(message.text())
    })
    page.on('pageerror', (error) => faults.push(error.message))
  })
  after(async () => {
    await browser?.close()
    site?.signal('SIGTERM')
    await site?.ended
    await rm(folder, { recursive: true, force: true })
    assert.deepEqual(faults, [])
  })

  const look = async (name: string) => {
    if (screenshots === undefined) return
    await mkdir(screenshots, { recursive: true })
    await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true })
  }
  /** What a camera reads from a part of the page: its pixels, decoded in a page without a policy. */
  const scanned = async (selector: string) => {
    const picture = (await page.locator(selector).screenshot()).toString('base64')
    const desk = await page.context().newPage()
    try {
      const { width, height, pixels } = await desk.evaluate(async (base64) => {
        const image = new Image()
        image.src = `data:image/png;base64,${base64}`
        await image.decode()
        const context = new OffscreenCanvas(image.width, image.height).getContext('2d')
        if (context === null) throw new Error('no canvas')
        context.drawImage(image, 0, 0)
        const { data } = context.getImageData(0, 0, image.width, image.height)
        return { width: image.width, height: image.height, pixels: [...data] }
      }, picture)
      return readPixels(new Uint8ClampedArray(pixels), width, height)
    } finally {
      await desk.close()
    }
  }
  const shown = (id: string) => page.waitForSelector(`#${id}:not([hidden])`)
  const notice = async (text: RegExp) => {
    await page.waitForFunction(() => document.querySelector('#notice')?.textContent !== '')
    assert.match((await page.textContent('#notice')) ?? '', text)
  }
  const open = async (path = link.pathname) => {
    await page.goto('about:blank')
    await page.goto(`${link.origin}${path}`)
  }

  test('the first administrator sets a password, once, by the link that the site printed', async () => {
    await open(`${link.pathname}${link.hash}`)
    await shown('invitation')
    assert.equal(await page.textContent('.site'), '<b>Contoso</b> & Co')
    await look('invitation')
    await page.fill('#invitation-form [name=name]', 'anna')
    await page.fill('#invitation-form [name=password]', PASSWORD)
    await page.click('#invitation-form button')
    await shown('account')
    assert.deepEqual([await page.textContent('#me'), await page.textContent('#roles')], ['anna', 'full administrator'])
    assert.equal(new URL(page.url()).hash, '', 'the code is out of the address')
    const [cookie] = await page.context().cookies()
    assert.deepEqual(
      [cookie?.name, cookie?.httpOnly, cookie?.secure, cookie?.sameSite],
      ['__Host-sluice', true, true, 'Strict'],
    )

    await open(`${link.pathname}${link.hash}`)
    await shown('invitation')
    await page.fill('#invitation-form [name=password]', PASSWORD)
    await page.click('#invitation-form button')
    await notice(/used already/)
  })

  test('with a passkey that is made there, by the authenticator of the computer', async () => {
    const devtools = await page.context().newCDPSession(page)
    await devtools.send('WebAuthn.enable')
    const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        ...{ protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true },
        ...{ isUserVerified: true, automaticPresenceSimulation: true },
      },
    })
    await open()
    await shown('account')
    await page.click('#add-passkey')
    await page.waitForSelector('#passkeys li')
    await look('account')
    await page.click('#out')
    await shown('sign-in')
    await look('sign-in')
    await page.click('#passkey')
    await shown('account')
    assert.equal(await page.textContent('#me'), 'anna')

    // Another authenticator has no such key, and one that did not verify its user is not enough.
    await page.click('#out')
    await shown('sign-in')
    await devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
    await page.click('#passkey')
    await notice(/Nothing was done/)
    await devtools.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId })
  })

  test('with a password, and with the code of an app once it is set up', async () => {
    await open()
    await shown('sign-in')
    const signIn = async (password: string, code?: string) => {
      await page.fill('#password-form [name=name]', 'anna')
      await page.fill('#password-form [name=password]', password)
      if (code !== undefined) await page.fill('#password-form [name=code]', code)
      await page.click('#password-form button')
    }
    await signIn('wrong wrong wrong')
    await notice(/is wrong/)
    await signIn(PASSWORD)
    await shown('account')
    await page.click('#start-totp')
    await shown('totp-form')
    const secret = (await page.textContent('#totp-secret')) ?? ''
    assert.match((await page.getAttribute('#totp-uri', 'href')) ?? '', /^otpauth:\/\/totp\//)
    await look('app')
    assert.equal(await scanned('#totp-qr'), await page.getAttribute('#totp-uri', 'href'))
    assert.match((await page.getAttribute('#totp-qr', 'aria-label')) ?? '', /QR code/)
    const app = new TOTP({ secret: Secret.fromBase32(secret) })
    await page.fill('#totp-form [name=code]', app.generate())
    await page.click('#totp-form button')
    await page.waitForSelector('#recovery-codes li')
    await look('recovery')
    const recovery = await page.textContent('#recovery-codes li:nth-child(2)')
    await page.click('#out')
    await shown('sign-in')
    await signIn(PASSWORD)
    await notice(/code of your authenticator app/)
    await look('code')
    await signIn(PASSWORD, recovery ?? '')
    await shown('account')
  })

  test('no page of another host frames it, scripts it or sends in its name', async () => {
    const answer = await page.goto(`${link.origin}/sign-in/`)
    const policy = answer?.headers()['content-security-policy']
    assert.match(policy ?? '', /default-src 'none'; script-src 'self'.*frame-ancestors 'none'/)
    await shown('account')
    const violated = page.waitForEvent('console', (message) => /Content Security Policy/i.test(message.text()))
    const status = await page.evaluate(async () => {
      const inline = document.createElement('script')
      inline.textContent = 'window.hacked = true'
      document.body.append(inline)
      const bare = await fetch('/admin/v1/me')
      return [bare.status, 'hacked' in window]
    })
    assert.deepEqual(status, [401, false])
    await violated
    const before = faults.splice(0)
    assert.ok(
      before.every((fault) => /Content Security Policy/i.test(fault)),
      before.join('\n'),
    )
  })

  test('in the language of the browser, wide and narrow', async () => {
    for (const language of pageLanguages) {
      const context = await browser.newContext({ locale: language, viewport: { width: 360, height: 740 } })
      const narrow = await context.newPage()
      await narrow.goto(`${link.origin}/sign-in/`)
      await narrow.waitForSelector('#sign-in:not([hidden])')
      assert.equal(await narrow.getAttribute('html', 'lang'), language)
      const overflow = await narrow.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
      assert.ok(overflow <= 0, `${language}: ${overflow} px too wide`)
      if (screenshots !== undefined) await narrow.screenshot({ path: join(screenshots, `narrow-${language}.png`) })
      await context.close()
    }
  })
})

test('every text is there in every language, and what is filled in is text', () => {
  const { html } = readSignInPage()
  for (const language of pageLanguages) assert.ok(!html(language, 'Contoso').includes('{{'))
  assert.ok(!html('en', '<script>', '"><img src=x>').match(/<script>|<img/))
  assert.deepEqual(
    ['de-AT,de;q=0.9', 'fr, sv;q=0.8', 'pt', undefined].map((accepted) => languageOf(accepted ?? null)),
    ['de', 'sv', 'en', 'en'],
  )
})

/** SHA-256 of the public key that the listener shows, as Chromium wants it. */
function keyHash(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      const key = socket.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' })
      socket.destroy()
      resolve(
        createHash('sha256')
          .update(key ?? '')
          .digest('base64'),
      )
    })
    socket.on('error', reject)
  })
}
