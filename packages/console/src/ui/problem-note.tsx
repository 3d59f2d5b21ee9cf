import { Caption1, makeStyles, Text, tokens } from '@fluentui/react-components'
import type { Problem } from '@sluice/protocol'
import type { ReactNode } from 'react'
import { problemText } from './problem-text.ts'
import { useReader } from './reader.tsx'

const useStyles = makeStyles({
  note: { display: 'flex', flexDirection: 'column', gap: tokens.spacingVerticalS, minWidth: 0 },
  setting: {
    display: 'flex',
    flexDirection: 'column',
    gap: tokens.spacingVerticalXXS,
    padding: `${tokens.spacingVerticalS} ${tokens.spacingHorizontalM}`,
    borderLeft: `3px solid ${tokens.colorBrandStroke1}`,
    borderRadius: tokens.borderRadiusMedium,
    backgroundColor: tokens.colorNeutralBackground2,
  },
  quiet: { color: tokens.colorNeutralForeground3 },
  support: { color: tokens.colorNeutralForeground3, overflowWrap: 'anywhere' },
})

interface ProblemNoteProps {
  problem: Pick<Problem, 'title' | 'detail'> & { code: string }
  /** Under a title that says the more important thing. */
  quiet?: boolean
  /** What else there is to say, before the line for support. */
  children?: ReactNode
}

/** One problem: what it is, what can be done, which setting it is; the service's own words small, for support. */
export function ProblemNote({ problem, quiet = false, children }: ProblemNoteProps) {
  const styles = useStyles()
  const { t, language } = useReader()
  const { title, advice, setting, place } = problemText(problem, language)
  return (
    <div className={styles.note}>
      <Text weight={quiet ? 'regular' : 'semibold'}>{title}</Text>
      {advice && <Text>{advice}</Text>}
      {setting && (
        <>
          <Text>{t('refusals.setting')}</Text>
          <div className={styles.setting}>
            <Caption1 className={styles.quiet}>{place}</Caption1>
            <Text weight="semibold">{setting}</Text>
          </div>
        </>
      )}
      {children}
      <Caption1 className={styles.support}>
        {t('refusals.details')}: <span lang="en">{`${problem.code} · ${problem.detail}`}</span>
      </Caption1>
    </div>
  )
}
