// The page itself: asks the site, shows what it says. Everything from outside is set as text.
const $ = (id) => document.getElementById(id)
const fragment = new URLSearchParams(location.hash.slice(1))
const code = fragment.get('code')

class Refusal extends Error {
  constructor(problem) {
    super(problem.detail)
    this.code = problem.code
    this.retryAfterMs = problem.retryAfterMs
  }
}

async function ask(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: { 'sluice-session': 'cookie', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const answer = await response.json()
  if (!response.ok) throw new Refusal(answer)
  return answer
}

function show(id) {
  for (const section of document.querySelectorAll('section')) section.hidden = section.id !== id
  document.querySelector(`#${id} input:not([hidden])`)?.focus()
}

function say(error) {
  const known = error instanceof Refusal ? error.code : error?.name === 'NotAllowedError' ? 'CANCELLED' : 'OTHER'
  const message = document.querySelector(`#messages [data-code="${CSS.escape(known)}"]`)
  const text = (message ?? document.querySelector('#messages [data-code="OTHER"]')).textContent
  const wait = error?.retryAfterMs === undefined ? '' : ` (${Math.ceil(error.retryAfterMs / 1000)} s)`
  $('notice').textContent = text + wait
  if (known === 'SECOND_FACTOR_NEEDED') {
    $('code').hidden = false
    $('code').querySelector('input').focus()
  }
}

/** Runs the work of a button or form; what is running cannot be started twice. */
function on(id, event, work) {
  $(id).addEventListener(event, async (happened) => {
    happened.preventDefault()
    const button = happened.submitter ?? $(id)
    button.disabled = true
    $('notice').textContent = ''
    try {
      await work(new FormData($(id) instanceof HTMLFormElement ? $(id) : undefined))
    } catch (error) {
      say(error)
    } finally {
      button.disabled = false
    }
  })
}

async function showAccount() {
  const [me, account] = await Promise.all([ask('GET', '/admin/v1/me'), ask('GET', '/admin/v1/account')])
  $('me').textContent = me.name
  $('roles').textContent = me.roles.map((role) => role.replaceAll(/(?=[A-Z])/g, ' ').toLowerCase()).join(', ')
  $('passkeys').replaceChildren(
    ...account.passkeys.map((passkey) => {
      const item = document.createElement('li')
      item.textContent = `${passkey.name} (${new Date(passkey.createdAt).toLocaleDateString(document.documentElement.lang)})`
      return item
    }),
  )
  $('app-on').hidden = !account.totp
  show('account')
}

async function showSignIn() {
  const ways = await ask('GET', '/sign-in/v1/ways')
  $('passkey').hidden = !ways.passkey || globalThis.PublicKeyCredential === undefined
  $('sign-on').hidden = ways.signOn === undefined
  $('sign-on').querySelector('span').textContent = ways.signOn ?? ''
  $('first').hidden = !ways.firstAdministrator
  show('sign-in')
}

on('password-form', 'submit', async (form) => {
  const given = { name: form.get('name'), password: form.get('password') }
  const typed = String(form.get('code')).trim()
  await ask('POST', '/sign-in/v1/password', { ...given, ...(typed === '' ? {} : { code: typed }) })
  $('password-form').reset()
  await showAccount()
})

on('passkey', 'click', async () => {
  const { challenge, options } = await ask('POST', '/sign-in/v1/passkey-question')
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options)
  const credential = await navigator.credentials.get({ publicKey })
  await ask('POST', '/sign-in/v1/passkey', { challenge, response: credential.toJSON() })
  await showAccount()
})

on('invitation-form', 'submit', async (form) => {
  const name = String(form.get('name')).trim()
  await ask('POST', '/sign-in/v1/invitation', {
    code,
    password: form.get('password'),
    ...(name === '' ? {} : { name }),
  })
  history.replaceState(null, '', location.pathname)
  await showAccount()
})

on('add-passkey', 'click', async () => {
  const { challenge, options } = await ask('POST', '/admin/v1/account/passkey-question')
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options)
  const credential = await navigator.credentials.create({ publicKey })
  const name = navigator.userAgentData?.platform || navigator.platform || 'passkey'
  await ask('POST', '/admin/v1/account/passkeys', { challenge, name, response: credential.toJSON() })
  await showAccount()
})

/** Dark modules as one path, with the margin of four modules that cameras need. */
function drawQr(rows) {
  const side = rows.length + 8
  const dark = rows.flatMap((row, y) =>
    [...row].flatMap((one, x) => (one === '1' ? [`M${x + 4} ${y + 4}h1v1h-1z`] : [])),
  )
  $('totp-qr').toggleAttribute('hidden', rows.length === 0)
  $('totp-qr').setAttribute('viewBox', `0 0 ${side} ${side}`)
  $('totp-qr').querySelector('path').setAttribute('d', dark.join(''))
}

on('start-totp', 'click', async () => {
  const { secret, uri, qr } = await ask('POST', '/admin/v1/account/totp')
  $('totp-secret').textContent = secret
  $('totp-uri').href = uri
  drawQr(qr ?? [])
  $('totp-form').hidden = false
  $('totp-form').querySelector('input').focus()
})

on('totp-form', 'submit', async (form) => {
  const { recoveryCodes } = await ask('POST', '/admin/v1/account/totp/confirm', { code: form.get('code') })
  $('totp-form').hidden = true
  $('totp-secret').textContent = ''
  $('totp-uri').removeAttribute('href')
  drawQr([])
  $('recovery-codes').replaceChildren(
    ...recoveryCodes.map((one) => Object.assign(document.createElement('li'), { textContent: one })),
  )
  $('recovery').hidden = false
  $('app-on').hidden = false
})

on('out', 'click', async () => {
  await ask('POST', '/sign-in/v1/out')
  $('recovery-codes').replaceChildren()
  $('recovery').hidden = true
  await showSignIn()
})

try {
  if (code === null) await showAccount()
  else {
    const { firstAdministrator } = await ask('GET', '/sign-in/v1/ways')
    $('own-name').hidden = !firstAdministrator
    $('own-name').querySelector('input').required = firstAdministrator
    show('invitation')
  }
} catch (error) {
  // Nobody is signed in: that is how it begins.
  if (error instanceof Refusal && error.code === 'NOT_AUTHENTICATED') await showSignIn().catch(say)
  else say(error)
}
