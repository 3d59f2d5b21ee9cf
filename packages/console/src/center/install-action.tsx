/** The button that starts an upgrade, and the question before it. */
import {
  Button,
  Dialog,
  DialogActions,
  DialogBody,
  DialogContent,
  DialogSurface,
  DialogTitle,
  DialogTrigger,
  MessageBar,
  MessageBarBody,
  MessageBarTitle,
  makeStyles,
  Text,
  tokens,
} from '@fluentui/react-components'
import { type CenterItem, ProblemError, problem } from '@sluice/protocol'
import { useMutation } from '@tanstack/react-query'
import type { TFunction } from 'i18next'
import { useEffect, useState } from 'react'
import { ProblemNote } from '../ui/problem-note.tsx'
import { useReader } from '../ui/reader.tsx'
import { useApi } from './api-context.ts'

const useStyles = makeStyles({
  surface: { maxWidth: '560px' },
  content: {
    display: 'flex',
    flexDirection: 'column',
    gap: tokens.spacingVerticalL,
    whiteSpace: 'pre-line',
    paddingBottom: '24px',
  },
  quiet: { color: tokens.colorNeutralForeground3 },
  button: { minWidth: '128px' },
})

/** After an accepted *Install* the state follows at once; should it not, the button comes back. */
const LONGEST_START_MS = 10_000

interface InstallActionProps {
  item: CenterItem
  organisation: string
  /** Whether the service can be asked for something now. */
  reachable: boolean
}

export function InstallAction({ item, organisation, reachable }: InstallActionProps) {
  const styles = useStyles()
  const { t } = useReader()
  const api = useApi()
  const [asking, setAsking] = useState(false)
  const install = useMutation({
    mutationFn: () => api.install(item.deploymentId),
    onSuccess: () => setAsking(false),
  })
  const { headline, text } = item.confirmation ?? standardConfirmation(t)
  // From the answer until the state says that it is running: a second click must not ask again.
  const { isSuccess, reset } = install
  useEffect(() => {
    if (!isSuccess) return
    const timer = setTimeout(reset, LONGEST_START_MS)
    return () => clearTimeout(timer)
  }, [isSuccess, reset])
  const starting = install.isPending || isSuccess
  const label = { failed: 'tryAgain', installed: 'installAgain' } as const
  const action = item.state === 'failed' || item.state === 'installed' ? label[item.state] : 'install'
  return (
    <Dialog
      modalType="alert"
      open={asking}
      onOpenChange={(_, { open }) => {
        reset()
        setAsking(open)
      }}
    >
      <DialogTrigger disableButtonEnhancement>
        <Button
          appearance={item.state === 'installed' ? 'secondary' : 'primary'}
          size="large"
          className={styles.button}
          disabledFocusable={!reachable || starting || item.refusals.length > 0}
        >
          {starting ? t('item.starting') : t(`item.${action}`)}
        </Button>
      </DialogTrigger>
      <DialogSurface className={styles.surface}>
        <DialogBody>
          <DialogTitle>{headline}</DialogTitle>
          <DialogContent className={styles.content}>
            <Text size={200} className={styles.quiet}>{`${item.name} · ${organisation}`}</Text>
            {text.map((paragraph, index) => (
              // The second text is the one that matters most; the original sets it in bold (configmgr-behaviour §2.7).
              <Text key={paragraph} weight={index === 1 ? 'semibold' : 'regular'}>
                {paragraph}
              </Text>
            ))}
            {install.error && (
              <MessageBar intent="error" layout="multiline">
                <MessageBarBody>
                  <MessageBarTitle>{t('refusals.notStarted')}</MessageBarTitle>
                  <ProblemNote problem={problemOf(install.error)} />
                </MessageBarBody>
              </MessageBar>
            )}
          </DialogContent>
          {/* Cancel first: it gets the focus, and a held Enter key starts nothing. */}
          <DialogActions>
            <DialogTrigger disableButtonEnhancement>
              <Button disabled={install.isPending}>{t('confirm.cancel')}</Button>
            </DialogTrigger>
            <Button appearance="primary" disabledFocusable={starting || !reachable} onClick={() => install.mutate()}>
              {starting ? t('item.starting') : t('confirm.install')}
            </Button>
          </DialogActions>
        </DialogBody>
      </DialogSurface>
    </Dialog>
  )
}

/** The original's standard texts for an operating system upgrade (configmgr-behaviour §2.7). */
function standardConfirmation(t: TFunction): NonNullable<CenterItem['confirmation']> {
  return { headline: t('confirm.headline'), text: [t('confirm.time'), t('confirm.kept'), t('confirm.begin')] }
}

function problemOf(error: Error) {
  return error instanceof ProblemError ? error.problem : problem('BAD_ANSWER', error.message)
}
