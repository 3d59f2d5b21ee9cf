/** A run as it goes: which step of how many, what is being fetched and how fast, what it waits for. */
import {
  MessageBar,
  MessageBarBody,
  MessageBarTitle,
  makeStyles,
  mergeClasses,
  ProgressBar,
  Spinner,
  Subtitle1,
  Subtitle2,
  Text,
  tokens,
} from '@fluentui/react-components'
import type { RunProgress } from '@sluice/protocol'
import { ProblemNote } from '../ui/problem-note.tsx'
import { useReader } from '../ui/reader.tsx'
import { useSurface } from '../ui/surface.ts'
import { DownloadLine } from './download-line.tsx'
import { runFraction } from './item-status.ts'
import { PauseAction } from './pause-action.tsx'
import { StepList } from './step-list.tsx'

const useStyles = makeStyles({
  row: { display: 'flex', alignItems: 'baseline', justifyContent: 'space-between', gap: '16px' },
  tabular: { fontVariantNumeric: 'tabular-nums', whiteSpace: 'nowrap' },
  name: { overflowWrap: 'anywhere' },
  detail: { display: 'flex', flexDirection: 'column', gap: tokens.spacingVerticalS, minHeight: '44px' },
  spinner: { alignSelf: 'flex-start', textAlign: 'start' },
  rule: { borderTop: `1px solid ${tokens.colorNeutralStroke2}`, paddingTop: tokens.spacingVerticalXL },
})

/** @param reachable whether the service can be asked for something now */
export function RunProgressCard({ run, reachable }: { run: RunProgress; reachable: boolean }) {
  const styles = useStyles()
  const surface = useSurface()
  const { t } = useReader()
  const { phase, step, stepCount: total, stepName: name } = run
  const inStep = step > 0 && total > 0
  const title =
    phase === 'restarting'
      ? t('progress.titleRestarting')
      : phase === 'paused'
        ? t('progress.titlePaused')
        : phase === 'preparing'
          ? t('progress.titlePreparing')
          : t('progress.title')
  return (
    <section className={mergeClasses(surface.card, surface.stack)} aria-labelledby="progress">
      <div className={styles.row}>
        <Subtitle2 as="h2" id="progress">
          {title}
        </Subtitle2>
        {inStep && (
          <Text className={mergeClasses(surface.quiet, styles.tabular)}>{t('progress.step', { step, total })}</Text>
        )}
      </div>
      <Subtitle1 className={styles.name}>{inStep ? name : t('progress.preparing')}</Subtitle1>
      {/* Said once a step, not once a byte. */}
      <span role="status" className={surface.hidden}>
        {inStep ? t('progress.stepName', { step, total, name }) : title}
      </span>
      <ProgressBar
        thickness="large"
        aria-label={t('progress.overall')}
        aria-valuetext={inStep ? t('progress.step', { step, total }) : title}
        {...(inStep && { value: runFraction(run) })}
      />
      <div className={styles.detail}>
        <NowDetail run={run} />
      </div>
      <PauseAction run={run} reachable={reachable} />
      <Text size={200} className={surface.quiet}>
        {t('progress.keepOn')}
      </Text>
      <div className={mergeClasses(styles.rule, surface.stack)}>
        <Subtitle2 as="h3">{t('steps.finished')}</Subtitle2>
        {run.finishedSteps.length === 0 ? (
          <Text className={surface.quiet}>{t('steps.none')}</Text>
        ) : (
          <StepList steps={run.finishedSteps} />
        )}
      </div>
    </section>
  )
}

/** What the step does at this moment: something always moves, or it is said why not. */
function NowDetail({ run: { phase, waiting, download, percent } }: { run: RunProgress }) {
  const styles = useStyles()
  const { t, measures } = useReader()
  if (phase === 'restarting') return <Spinner size="tiny" className={styles.spinner} label={t('progress.restarting')} />
  if (phase === 'paused') return <Text>{t('progress.paused')}</Text>
  return (
    <>
      {download && <DownloadLine download={download} paused={waiting !== undefined} />}
      {waiting && (
        <MessageBar intent="info" layout="multiline">
          <MessageBarBody>
            <MessageBarTitle>{t('progress.waiting')}</MessageBarTitle>
            <ProblemNote problem={waiting} quiet>
              {waiting.retryAfterMs !== undefined && (
                <Text>{t('progress.waitingRetry', { time: measures.duration(waiting.retryAfterMs) })}</Text>
              )}
            </ProblemNote>
          </MessageBarBody>
        </MessageBar>
      )}
      {!download && !waiting && phase === 'running' && (
        <ProgressBar aria-label={t('progress.stepProgress')} {...(percent !== undefined && { value: percent / 100 })} />
      )}
    </>
  )
}
