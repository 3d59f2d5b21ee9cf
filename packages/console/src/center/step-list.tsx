import { makeStyles, mergeClasses, Text, tokens } from '@fluentui/react-components'
import type { FluentIcon } from '@fluentui/react-icons'
import { CheckmarkCircleFilled } from '@fluentui/react-icons/svg/checkmark-circle'
import { ErrorCircleFilled } from '@fluentui/react-icons/svg/error-circle'
import { QuestionCircleRegular } from '@fluentui/react-icons/svg/question-circle'
import { SubtractCircleRegular } from '@fluentui/react-icons/svg/subtract-circle'
import { WarningFilled } from '@fluentui/react-icons/svg/warning'
import type { RunReport, StepOutcome } from '@sluice/protocol'
import { problemText } from '../ui/problem-text.ts'
import { useReader } from '../ui/reader.tsx'
import { useSurface } from '../ui/surface.ts'

const useStyles = makeStyles({
  list: { listStyleType: 'none', margin: 0, padding: 0 },
  step: {
    display: 'grid',
    gridTemplateColumns: '20px minmax(0, 1fr) auto auto',
    alignItems: 'center',
    columnGap: '12px',
    padding: '8px 0',
    ':not(:last-child)': { borderBottom: `1px solid ${tokens.colorNeutralStroke3}` },
    '@media (max-width: 640px)': { gridTemplateColumns: '20px minmax(0, 1fr) auto' },
  },
  icon: { fontSize: '20px', color: tokens.colorNeutralForeground3 },
  succeeded: { color: tokens.colorStatusSuccessForeground1 },
  failed: { color: tokens.colorStatusDangerForeground1 },
  failedContinued: { color: tokens.colorStatusWarningForeground3 },
  skipped: {},
  unknown: {},
  name: { overflowWrap: 'anywhere' },
  why: { gridColumn: '2 / -1', overflowWrap: 'anywhere' },
  outcome: { '@media (max-width: 640px)': { gridColumn: '2', gridRow: '2' } },
  time: {
    minWidth: '104px',
    textAlign: 'right',
    fontVariantNumeric: 'tabular-nums',
    '@media (max-width: 640px)': { minWidth: 0 },
  },
})

const icons: Record<StepOutcome, FluentIcon> = {
  succeeded: CheckmarkCircleFilled,
  failed: ErrorCircleFilled,
  failedContinued: WarningFilled,
  skipped: SubtractCircleRegular,
  unknown: QuestionCircleRegular,
}

/** Steps in the order in which they ended, each with its outcome and time. */
export function StepList({ steps }: Pick<RunReport, 'steps'>) {
  const styles = useStyles()
  const surface = useSurface()
  const { t, measures, language } = useReader()
  return (
    <ol className={styles.list}>
      {steps.map(({ name, outcome, ms, problem }, index) => {
        const Icon = icons[outcome]
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: steps are only ever added at the end, and two may have one name
          <li key={index} className={styles.step}>
            <Icon className={mergeClasses(styles.icon, styles[outcome])} />
            <Text className={mergeClasses(styles.name, outcome === 'skipped' && surface.quiet)}>{name}</Text>
            <Text size={200} className={mergeClasses(styles.outcome, surface.quiet)}>
              {t(`steps.outcome.${outcome}`)}
            </Text>
            <Text size={200} className={mergeClasses(styles.time, surface.quiet)}>
              {outcome === 'skipped' ? '' : measures.duration(ms)}
            </Text>
            {problem && (
              <Text size={200} className={mergeClasses(styles.why, surface.quiet)}>
                {problemText(problem, language).title}
                <span lang="en">{` · ${problem.detail}`}</span>
              </Text>
            )}
          </li>
        )
      })}
    </ol>
  )
}
