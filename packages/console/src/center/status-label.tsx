import { makeStyles, mergeClasses, Text, tokens } from '@fluentui/react-components'
import type { FluentIcon } from '@fluentui/react-icons'
import { ArrowCircleDownRegular } from '@fluentui/react-icons/svg/arrow-circle-down'
import { ArrowClockwiseRegular } from '@fluentui/react-icons/svg/arrow-clockwise'
import { ArrowDownloadRegular } from '@fluentui/react-icons/svg/arrow-download'
import { ArrowSyncRegular } from '@fluentui/react-icons/svg/arrow-sync'
import { CheckmarkCircleFilled } from '@fluentui/react-icons/svg/checkmark-circle'
import { ClockRegular } from '@fluentui/react-icons/svg/clock'
import { DismissCircleRegular } from '@fluentui/react-icons/svg/dismiss-circle'
import { ErrorCircleFilled } from '@fluentui/react-icons/svg/error-circle'
import { PauseCircleRegular } from '@fluentui/react-icons/svg/pause-circle'
import { ProhibitedRegular } from '@fluentui/react-icons/svg/prohibited'
import type { TFunction } from 'i18next'
import { useReader } from '../ui/reader.tsx'
import type { ItemStatus } from './item-status.ts'

const useStyles = makeStyles({
  label: { display: 'flex', alignItems: 'center', gap: tokens.spacingHorizontalXS, minWidth: 0 },
  icon: { flexShrink: 0, fontSize: '16px', color: tokens.colorNeutralForeground3 },
  good: { color: tokens.colorStatusSuccessForeground1 },
  bad: { color: tokens.colorStatusDangerForeground1 },
  busy: { color: tokens.colorBrandForeground1 },
})

const looks: Record<ItemStatus['kind'], { icon: FluentIcon; tone?: 'good' | 'bad' | 'busy' }> = {
  available: { icon: ArrowCircleDownRegular },
  refused: { icon: ProhibitedRegular },
  installed: { icon: CheckmarkCircleFilled, tone: 'good' },
  failed: { icon: ErrorCircleFilled, tone: 'bad' },
  cancelled: { icon: DismissCircleRegular },
  preparing: { icon: ArrowSyncRegular, tone: 'busy' },
  running: { icon: ArrowSyncRegular, tone: 'busy' },
  downloading: { icon: ArrowDownloadRegular, tone: 'busy' },
  restarting: { icon: ArrowClockwiseRegular, tone: 'busy' },
  waiting: { icon: ClockRegular, tone: 'busy' },
  paused: { icon: PauseCircleRegular },
}

/** One line of status, with a picture that says the same. */
export function StatusLabel({ status }: { status: ItemStatus }) {
  const styles = useStyles()
  const { t } = useReader()
  const { icon: Icon, tone } = looks[status.kind]
  return (
    <span className={styles.label}>
      <Icon className={mergeClasses(styles.icon, tone && styles[tone])} />
      <Text>{statusText(status, t)}</Text>
    </span>
  )
}

function statusText(status: ItemStatus, t: TFunction): string {
  switch (status.kind) {
    case 'downloading':
      return t('status.downloading', { name: status.run.download?.packageName ?? status.run.stepName })
    case 'running':
      return t('status.running', { name: status.run.stepName })
    default:
      return t(`status.${status.kind}`)
  }
}
