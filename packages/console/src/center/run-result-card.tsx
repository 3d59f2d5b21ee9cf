/** How a run ended: what the device runs now, or which step failed, why, and where the log is. */
import { makeStyles, mergeClasses, Subtitle1, Subtitle2, Text, tokens } from '@fluentui/react-components'
import type { FluentIcon } from '@fluentui/react-icons'
import { ArrowRightRegular } from '@fluentui/react-icons/svg/arrow-right'
import { CheckmarkCircleFilled } from '@fluentui/react-icons/svg/checkmark-circle'
import { DismissCircleFilled } from '@fluentui/react-icons/svg/dismiss-circle'
import { ErrorCircleFilled } from '@fluentui/react-icons/svg/error-circle'
import type { RunReport } from '@sluice/protocol'
import { CopyText } from '../ui/copy-text.tsx'
import { Facts } from '../ui/facts.tsx'
import { ProblemNote } from '../ui/problem-note.tsx'
import { useReader } from '../ui/reader.tsx'
import { useSurface } from '../ui/surface.ts'
import { StepList } from './step-list.tsx'

const useStyles = makeStyles({
  head: { display: 'flex', alignItems: 'center', gap: '16px' },
  icon: { fontSize: '40px', flexShrink: 0, color: tokens.colorNeutralForeground3 },
  success: { color: tokens.colorStatusSuccessForeground1 },
  failure: { color: tokens.colorStatusDangerForeground1 },
  cancelled: {},
  change: {
    display: 'grid',
    gridTemplateColumns: 'minmax(0, 1fr) auto minmax(0, 1fr)',
    alignItems: 'center',
    gap: '16px',
    '@media (max-width: 640px)': { gridTemplateColumns: 'minmax(0, 1fr)', gap: '4px' },
  },
  os: {
    display: 'flex',
    flexDirection: 'column',
    padding: '12px 16px',
    borderRadius: tokens.borderRadiusLarge,
    border: `1px solid ${tokens.colorNeutralStroke2}`,
    backgroundColor: tokens.colorNeutralBackground2,
    overflowWrap: 'anywhere',
  },
  arrow: {
    fontSize: '24px',
    color: tokens.colorNeutralForeground3,
    '@media (max-width: 640px)': { rotate: '90deg', justifySelf: 'center' },
  },
  why: {
    display: 'grid',
    gridTemplateColumns: 'max-content minmax(0, 1fr)',
    columnGap: '24px',
    rowGap: '12px',
    margin: 0,
    '@media (max-width: 640px)': { gridTemplateColumns: 'minmax(0, 1fr)', rowGap: '4px' },
  },
  name: {
    color: tokens.colorNeutralForeground3,
    '@media (max-width: 640px)': { ':not(:first-child)': { marginTop: '8px' } },
  },
  value: { margin: 0, minWidth: 0, overflowWrap: 'anywhere' },
  rule: { borderTop: `1px solid ${tokens.colorNeutralStroke2}`, paddingTop: tokens.spacingVerticalXL },
})

const icons: Record<RunReport['result'], FluentIcon> = {
  success: CheckmarkCircleFilled,
  failure: ErrorCircleFilled,
  cancelled: DismissCircleFilled,
}

export function RunResultCard({ report }: { report: RunReport }) {
  const styles = useStyles()
  const surface = useSurface()
  const { t, measures } = useReader()
  const { result, fetchedBytes, referencedBytes } = report
  const Icon = icons[result]
  return (
    <section className={mergeClasses(surface.card, surface.stack)} aria-labelledby="result">
      <div className={styles.head}>
        <Icon className={mergeClasses(styles.icon, styles[result])} />
        <Subtitle1 as="h2" id="result">
          {t(`result.${result}`)}
        </Subtitle1>
      </div>
      {report.osBefore !== report.osAfter && <OsChange report={report} />}
      {result === 'failure' && <Why report={report} />}
      <Facts
        facts={[
          { name: t('result.totalTime'), value: measures.duration(report.totalMs) },
          {
            name: t('result.downloaded'),
            value: t('result.downloadedOf', {
              fetched: measures.bytes(fetchedBytes),
              referenced: measures.bytes(referencedBytes),
            }),
          },
          { name: t('result.restarts'), value: measures.number(report.restarts) },
        ]}
      />
      <div className={mergeClasses(styles.rule, surface.stack)}>
        <Subtitle2 as="h3">{t('steps.finished')}</Subtitle2>
        <StepList steps={report.steps} />
      </div>
    </section>
  )
}

function OsChange({ report: { osBefore, osAfter } }: { report: RunReport }) {
  const styles = useStyles()
  const surface = useSurface()
  const { t } = useReader()
  return (
    <div className={styles.change}>
      <div className={styles.os}>
        <Text size={200} className={surface.quiet}>
          {t('result.before')}
        </Text>
        <Text>{osBefore}</Text>
      </div>
      <ArrowRightRegular className={styles.arrow} />
      <div className={styles.os}>
        <Text size={200} className={surface.quiet}>
          {t('result.after')}
        </Text>
        <Text weight="semibold">{osAfter}</Text>
      </div>
    </div>
  )
}

function Why({ report: { failedStep, problem, logPath } }: { report: RunReport }) {
  const styles = useStyles()
  const surface = useSurface()
  const { t } = useReader()
  return (
    <>
      <dl className={styles.why}>
        {failedStep && (
          <>
            <dt className={styles.name}>{t('result.failedStep')}</dt>
            <dd className={styles.value}>{failedStep}</dd>
          </>
        )}
        {problem && (
          <>
            <dt className={styles.name}>{t('result.reason')}</dt>
            <dd className={styles.value}>
              <ProblemNote problem={problem} />
            </dd>
          </>
        )}
        <dt className={styles.name}>{t('result.log')}</dt>
        <dd className={styles.value}>
          <CopyText text={logPath} />
        </dd>
      </dl>
      <Text className={surface.quiet}>{t('result.help')}</Text>
    </>
  )
}
