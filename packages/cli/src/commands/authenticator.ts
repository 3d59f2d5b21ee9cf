/** An authenticator app for the person who is signed in. */
import type { Command } from 'commander'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { qrPicture } from '../terminal/qr-picture.ts'

export function addAuthenticatorCommand(program: Command, session: Session): void {
  program
    .command('authenticator')
    .description('sets up an authenticator app, whose code is asked for with your password from then on')
    .action(async (): Promise<void> => {
      const { ask, signal } = session
      if (ask === undefined) return failLocally('This needs a terminal: the key is shown, and a code is asked for.')
      const site = await session.site()
      const { secret, qr } = await site.call('startTotp', { body: {} })
      for (const line of qr === undefined ? [] : qrPicture(qr)) session.out.note(line)
      session.out.note(`Scan the picture with the app, or give it this key: ${secret}`)
      const code = (await ask('Code that the app shows: ', signal)).trim()
      if (!/^\d{6}$/.test(code)) return failLocally('A code has six digits; nothing was changed.')
      const { recoveryCodes } = await site.call('confirmTotp', { body: { code } })
      session.out.result({ recoveryCodes }, () => [
        'The app is set up. Each of these recovery codes works once, when you do not have it; they are not shown again:',
        ...recoveryCodes,
      ])
    })
}
