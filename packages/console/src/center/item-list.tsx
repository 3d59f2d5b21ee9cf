/** Offered sequences as a list of cards, each the way to its own page. */
import { Badge, makeStyles, mergeClasses, ProgressBar, Subtitle2, Text, tokens } from '@fluentui/react-components'
import { ChevronRightRegular } from '@fluentui/react-icons/svg/chevron-right'
import type { CenterItem, CenterState, RunProgress } from '@sluice/protocol'
import { useReader } from '../ui/reader.tsx'
import { useSurface } from '../ui/surface.ts'
import { deadlineText } from './deadline-text.ts'
import { itemStatus, runFraction, runOf } from './item-status.ts'
import { ItemTile } from './item-tile.tsx'
import { routeHref } from './route.ts'
import { StatusLabel } from './status-label.tsx'

const useStyles = makeStyles({
  list: { listStyleType: 'none', margin: 0, padding: 0, display: 'flex', flexDirection: 'column', gap: '8px' },
  card: {
    display: 'grid',
    gridTemplateColumns: 'auto minmax(0, 1fr) auto',
    alignItems: 'center',
    columnGap: '16px',
    rowGap: '16px',
    padding: '16px 20px',
    color: tokens.colorNeutralForeground1,
    textDecorationLine: 'none',
    transitionProperty: 'background-color, box-shadow',
    transitionDuration: tokens.durationFaster,
    ':hover': { backgroundColor: tokens.colorNeutralBackground1Hover, boxShadow: tokens.shadow4 },
    ':active': { backgroundColor: tokens.colorNeutralBackground1Pressed },
    ':focus-visible': { outline: `2px solid ${tokens.colorStrokeFocus2}`, outlineOffset: '1px' },
  },
  texts: { display: 'flex', flexDirection: 'column', gap: '4px', minWidth: 0 },
  first: { display: 'flex', flexWrap: 'wrap', alignItems: 'center', columnGap: '12px', rowGap: '4px' },
  name: { overflowWrap: 'anywhere' },
  chevron: { fontSize: '20px', color: tokens.colorNeutralForeground3 },
  progress: { gridColumn: '1 / -1' },
})

export function ItemList({
  items,
  state,
  section,
}: {
  items: readonly CenterItem[]
  state: CenterState
  section: 'operatingSystems' | 'installationStatus'
}) {
  const styles = useStyles()
  return (
    <ul className={styles.list}>
      {items.map((item) => (
        <li key={item.deploymentId}>
          <ItemCard {...{ item, section, run: state.run }} />
        </li>
      ))}
    </ul>
  )
}

function ItemCard({
  item,
  section,
  run,
}: {
  item: CenterItem
  section: 'operatingSystems' | 'installationStatus'
  run: RunProgress | undefined
}) {
  const styles = useStyles()
  const surface = useSurface()
  const { t, measures } = useReader()
  const itsRun = runOf(item, run)
  return (
    <a
      href={routeHref({ view: 'item', section, deploymentId: item.deploymentId })}
      className={mergeClasses(surface.card, styles.card)}
    >
      <ItemTile size={48} />
      <span className={styles.texts}>
        <span className={styles.first}>
          <Subtitle2 className={styles.name}>{item.name}</Subtitle2>
          {item.required && (
            <Badge appearance="tint" color="brand">
              {t('item.required')}
            </Badge>
          )}
        </span>
        <StatusLabel status={itemStatus(item, run)} />
        {item.deadlineAt && (item.state === 'available' || item.state === 'refused') && (
          <Text size={200} className={surface.quiet}>
            {deadlineText(item.deadlineAt, t, measures)}
          </Text>
        )}
      </span>
      <ChevronRightRegular className={styles.chevron} />
      {itsRun && itsRun.stepCount > 0 && (
        <ProgressBar className={styles.progress} value={runFraction(itsRun)} aria-label={t('progress.overall')} />
      )}
    </a>
  )
}
