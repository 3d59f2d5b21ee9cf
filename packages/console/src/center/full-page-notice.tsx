/** Pages for when there is nothing to show: no session, a session that ended, an agent that was upgraded. */
import { Button, makeStyles, Text, Title3, tokens } from '@fluentui/react-components'
import type { FluentIcon } from '@fluentui/react-icons'
import { ArrowClockwiseRegular } from '@fluentui/react-icons/svg/arrow-clockwise'
import { DesktopSyncRegular } from '@fluentui/react-icons/svg/desktop-sync'
import { LockClosedRegular } from '@fluentui/react-icons/svg/lock-closed'
import { type ReactNode, useEffect } from 'react'
import { LanguageMenu } from '../ui/language-menu.tsx'
import { useReader } from '../ui/reader.tsx'
import { useSurface } from '../ui/surface.ts'

const useStyles = makeStyles({
  page: {
    minHeight: '100vh',
    display: 'grid',
    gridTemplateRows: 'auto 1fr',
    backgroundColor: tokens.colorNeutralBackground3,
  },
  top: { display: 'flex', justifyContent: 'flex-end', padding: '12px 16px' },
  main: { display: 'grid', placeItems: 'center', padding: '16px 16px 15vh' },
  card: {
    maxWidth: '480px',
    display: 'flex',
    flexDirection: 'column',
    alignItems: 'center',
    gap: tokens.spacingVerticalL,
    paddingTop: '40px',
    paddingBottom: '40px',
  },
  icon: { fontSize: '48px', color: tokens.colorBrandForeground1 },
})

function FullPageNotice(props: { icon: FluentIcon; title: string; text: string; children?: ReactNode }) {
  const styles = useStyles()
  const surface = useSurface()
  const { t } = useReader()
  useEffect(() => {
    document.title = `${props.title} · ${t('product')}`
  }, [props.title, t])
  return (
    <div className={styles.page}>
      <header className={styles.top}>
        <LanguageMenu />
      </header>
      <main className={styles.main}>
        <div className={`${surface.card} ${styles.card}`}>
          <props.icon className={styles.icon} />
          <Title3 as="h1" align="center">
            {props.title}
          </Title3>
          <Text align="center">{props.text}</Text>
          {props.children}
        </div>
      </main>
    </div>
  )
}

export function SessionMissing() {
  const { t } = useReader()
  return <FullPageNotice icon={LockClosedRegular} title={t('session.missing.title')} text={t('session.missing.text')} />
}

export function SessionEnded() {
  const { t } = useReader()
  return <FullPageNotice icon={LockClosedRegular} title={t('session.ended.title')} text={t('session.ended.text')} />
}

export function Unreadable() {
  const { t } = useReader()
  return (
    <FullPageNotice
      icon={DesktopSyncRegular}
      title={t('connection.unreadable.title')}
      text={t('connection.unreadable.text')}
    >
      <Button appearance="primary" icon={<ArrowClockwiseRegular />} onClick={() => window.location.reload()}>
        {t('connection.unreadable.reload')}
      </Button>
    </FullPageNotice>
  )
}
