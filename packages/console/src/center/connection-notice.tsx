import { MessageBar, MessageBarBody, MessageBarTitle, makeStyles } from '@fluentui/react-components'
import { useReader } from '../ui/reader.tsx'
import type { Live } from './live.ts'

const useStyles = makeStyles({
  bar: { maxWidth: '920px', boxSizing: 'border-box', marginBottom: '24px' },
})

/** Says calmly that the service, or the organisation, is not there for now. Nothing when all is well. */
export function ConnectionNotice({ live }: { live: Exclude<Live, { kind: 'ended' }> }) {
  const styles = useStyles()
  const { t } = useReader()
  const notice = noticeOf(live)
  return (
    // Always there, so that a screen reader hears what appears in it.
    <div role="status">
      {notice && (
        <MessageBar className={styles.bar} intent="info" layout="multiline">
          <MessageBarBody>
            <MessageBarTitle>
              {notice === 'offline'
                ? t('connection.offline.title', { organisation: live.kind === 'live' ? live.state.organisation : '' })
                : t(`connection.${notice}.title`)}
            </MessageBarTitle>
            <br />
            {t(`connection.${notice}.text`)}
          </MessageBarBody>
        </MessageBar>
      )}
    </div>
  )
}

function noticeOf(live: Exclude<Live, { kind: 'ended' }>): 'restarting' | 'lost' | 'offline' | undefined {
  if (live.kind === 'live') return live.state.online ? undefined : 'offline'
  if (live.kind === 'lost') return live.state?.run?.phase === 'restarting' ? 'restarting' : 'lost'
  return undefined
}
