/** One offered sequence: what it is, whether it can be installed, how its run goes, how it went. */
import { Badge, makeStyles, mergeClasses, Subtitle2, Text, Title2, tokens } from '@fluentui/react-components'
import { ArrowLeftRegular } from '@fluentui/react-icons/svg/arrow-left'
import { DesktopOffRegular } from '@fluentui/react-icons/svg/desktop-off'
import type { CenterItem, CenterState, DeploymentId } from '@sluice/protocol'
import { Empty } from '../ui/empty.tsx'
import { Facts } from '../ui/facts.tsx'
import { PageHead } from '../ui/page-head.tsx'
import { useReader } from '../ui/reader.tsx'
import { useSurface } from '../ui/surface.ts'
import { InstallAction } from './install-action.tsx'
import { itemStatus, runOf } from './item-status.ts'
import { ItemTile } from './item-tile.tsx'
import { Refusals } from './refusals.tsx'
import { routeHref, type Section } from './route.ts'
import { RunProgressCard } from './run-progress-card.tsx'
import { RunResultCard } from './run-result-card.tsx'
import { StatusLabel } from './status-label.tsx'

const narrow = '@media (max-width: 640px)'

const useStyles = makeStyles({
  back: {
    alignSelf: 'flex-start',
    display: 'flex',
    alignItems: 'center',
    gap: '8px',
    padding: '4px 8px 4px 0',
    color: tokens.colorNeutralForeground2,
    textDecorationLine: 'none',
    borderRadius: tokens.borderRadiusMedium,
    ':hover': { color: tokens.colorBrandForegroundLinkHover },
    ':focus-visible': { outline: `2px solid ${tokens.colorStrokeFocus2}` },
  },
  head: {
    display: 'grid',
    gridTemplateColumns: 'auto minmax(0, 1fr) auto',
    alignItems: 'center',
    gap: '20px',
    [narrow]: { gridTemplateColumns: 'auto minmax(0, 1fr)', gap: '16px' },
  },
  names: { display: 'flex', flexDirection: 'column', gap: '6px', minWidth: 0 },
  title: { overflowWrap: 'anywhere', [narrow]: { fontSize: '22px', lineHeight: '28px' } },
  line: { display: 'flex', flexWrap: 'wrap', alignItems: 'center', columnGap: '12px', rowGap: '4px' },
  action: { [narrow]: { gridColumn: '1 / -1', display: 'grid' } },
  description: { whiteSpace: 'pre-line', overflowWrap: 'anywhere', maxWidth: '70ch' },
})

interface ItemViewProps {
  section: Exclude<Section, 'options'>
  deploymentId: DeploymentId
  state: CenterState
  reachable: boolean
}

export function ItemView({ section, deploymentId, state, reachable }: ItemViewProps) {
  const styles = useStyles()
  const { t } = useReader()
  const item = state.items.find((one) => one.deploymentId === deploymentId)
  const back = (
    <a href={routeHref({ view: 'section', section })} className={styles.back}>
      <ArrowLeftRegular fontSize={20} />
      {t(`nav.${section}`)}
    </a>
  )
  if (!item)
    return (
      <>
        {back}
        <PageHead title={t('item.gone')} />
        <Empty icon={DesktopOffRegular} title={t('item.goneHint')} />
      </>
    )
  const run = runOf(item, state.run)
  const idle = !run && item.state !== 'installing'
  const refused = item.refusals.length > 0
  // What is installed and may not be installed again needs no reason why.
  const settled = item.state === 'installed' && refused
  return (
    <>
      {back}
      <div className={styles.head}>
        <ItemTile size={72} />
        <div className={styles.names}>
          <Title2 as="h1" className={styles.title}>
            {item.name}
          </Title2>
          <div className={styles.line}>
            <StatusLabel status={itemStatus(item, state.run)} />
            {item.required && (
              <Badge appearance="tint" color="brand">
                {t('item.required')}
              </Badge>
            )}
          </div>
        </div>
        {idle && !settled && (
          <div className={styles.action}>
            <InstallAction item={item} organisation={state.organisation} reachable={reachable} />
          </div>
        )}
      </div>
      {run && <RunProgressCard run={run} reachable={reachable} />}
      {idle && refused && !settled && <Refusals refusals={item.refusals} />}
      {idle && item.lastReport && <RunResultCard report={item.lastReport} />}
      <About item={item} state={state} />
    </>
  )
}

function About({ item, state }: { item: CenterItem; state: CenterState }) {
  const styles = useStyles()
  const surface = useSurface()
  const { t, measures } = useReader()
  const size = measures.bytes(item.referencedBytes)
  return (
    <section className={mergeClasses(surface.card, surface.stack)} aria-labelledby="about">
      <Subtitle2 as="h2" id="about">
        {t('item.about')}
      </Subtitle2>
      <Text className={mergeClasses(styles.description, !item.description && surface.quiet)}>
        {item.description ?? t('item.noDescription')}
      </Text>
      <Facts
        facts={[
          {
            name: t('item.facts.estimatedTime'),
            value: item.estimatedRunTimeMinutes && measures.minutes(item.estimatedRunTimeMinutes),
          },
          {
            name: t('item.facts.download'),
            value: item.onDemand ? t('item.facts.downloadOnDemand', { size }) : size,
          },
          { name: t('item.facts.deadline'), value: item.deadlineAt && measures.dateTime(item.deadlineAt) },
          { name: t('item.facts.currentOs'), value: state.device.os },
          { name: t('item.facts.publisher'), value: state.organisation },
        ]}
      />
    </section>
  )
}
