/** The user's *Pause* and *Resume* of a run, where the deployment lets him. */
import { Button, MessageBar, MessageBarBody, MessageBarTitle, makeStyles, Text } from '@fluentui/react-components'
import { ProblemError, problem, type RunProgress } from '@sluice/protocol'
import { useMutation } from '@tanstack/react-query'
import { ProblemNote } from '../ui/problem-note.tsx'
import { useReader } from '../ui/reader.tsx'
import { useSurface } from '../ui/surface.ts'
import { useApi } from './api-context.ts'

const useStyles = makeStyles({
  row: { display: 'flex', alignItems: 'center', gap: '16px', flexWrap: 'wrap' },
})

/** Nothing where the user may not pause and nobody did. */
export function PauseAction({ run, reachable }: { run: RunProgress; reachable: boolean }) {
  const styles = useStyles()
  const surface = useSurface()
  const { t, measures } = useReader()
  const api = useApi()
  const { deploymentId, phase, pausedBy, pausedUntil, userPauseLeftMs } = run
  const change = useMutation({ mutationFn: (paused: boolean) => api.pause(deploymentId, paused) })
  const isPaused = pausedBy === 'user'
  const offers = isPaused || (pausedBy === undefined && (userPauseLeftMs ?? 0) > 0)
  if (phase === 'finished' || phase === 'restarting' || (!offers && pausedBy === undefined)) return null
  const told =
    pausedBy === undefined
      ? t('pause.left', { time: measures.duration(userPauseLeftMs ?? 0) })
      : [
          phase === 'paused' ? undefined : t('pause.soon'),
          pausedBy === 'administrator' ? t('pause.byAdministrator') : undefined,
          pausedUntil === undefined ? undefined : t('pause.until', { time: measures.dateTime(pausedUntil) }),
        ]
          .filter((text) => text !== undefined)
          .join(' ')
  return (
    <>
      <div className={styles.row}>
        {offers && (
          <Button disabledFocusable={!reachable || change.isPending} onClick={() => change.mutate(!isPaused)}>
            {isPaused ? t('pause.resume') : t('pause.pause')}
          </Button>
        )}
        <Text size={200} className={surface.quiet} role="status">
          {told}
        </Text>
      </div>
      {change.error && (
        <MessageBar intent="error" layout="multiline">
          <MessageBarBody>
            <MessageBarTitle>{t('pause.failed')}</MessageBarTitle>
            <ProblemNote problem={problemOf(change.error)} />
          </MessageBarBody>
        </MessageBar>
      )}
    </>
  )
}

const problemOf = (error: Error) =>
  error instanceof ProblemError ? error.problem : problem('BAD_ANSWER', error.message)
