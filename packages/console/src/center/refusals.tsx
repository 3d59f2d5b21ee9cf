import { makeStyles, mergeClasses, Subtitle2, tokens } from '@fluentui/react-components'
import { ProhibitedRegular } from '@fluentui/react-icons/svg/prohibited'
import type { CenterItem } from '@sluice/protocol'
import { ProblemNote } from '../ui/problem-note.tsx'
import { useReader } from '../ui/reader.tsx'
import { useSurface } from '../ui/surface.ts'

const useStyles = makeStyles({
  head: { display: 'flex', alignItems: 'center', gap: '12px' },
  icon: { fontSize: '24px', flexShrink: 0, color: tokens.colorNeutralForeground3 },
  list: { listStyleType: 'none', margin: 0, padding: 0, display: 'flex', flexDirection: 'column' },
  reason: {
    padding: '16px 0',
    ':not(:last-child)': { borderBottom: `1px solid ${tokens.colorNeutralStroke2}` },
    ':first-child': { paddingTop: 0 },
    ':last-child': { paddingBottom: 0 },
  },
})

/** Every reason why it cannot be started here and now, the first to mend first. */
export function Refusals({ refusals }: Pick<CenterItem, 'refusals'>) {
  const styles = useStyles()
  const surface = useSurface()
  const { t } = useReader()
  return (
    <section className={mergeClasses(surface.card, surface.stack)} aria-labelledby="refusals">
      <div className={styles.head}>
        <ProhibitedRegular className={styles.icon} />
        <Subtitle2 as="h2" id="refusals">
          {t('refusals.title')}
        </Subtitle2>
      </div>
      <ul className={styles.list}>
        {refusals.map((refusal) => (
          <li key={refusal.code} className={styles.reason}>
            <ProblemNote problem={refusal} />
          </li>
        ))}
      </ul>
    </section>
  )
}
