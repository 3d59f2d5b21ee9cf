import { HistoryRegular } from '@fluentui/react-icons/svg/history'
import type { CenterState } from '@sluice/protocol'
import { Empty } from '../ui/empty.tsx'
import { PageHead } from '../ui/page-head.tsx'
import { useReader } from '../ui/reader.tsx'
import { ItemList } from './item-list.tsx'
import { runOf } from './item-status.ts'

/** What was started on this device: running, installed or failed. */
export function InstallationStatusView({ state }: { state: CenterState }) {
  const { t } = useReader()
  const started = state.items.filter(
    (item) => item.lastReport || runOf(item, state.run) || ['installing', 'installed', 'failed'].includes(item.state),
  )
  return (
    <>
      <PageHead title={t('nav.installationStatus')} intro={t('statusPage.intro', { device: state.device.name })} />
      {started.length === 0 ? (
        <Empty icon={HistoryRegular} title={t('statusPage.empty')} hint={t('statusPage.emptyHint')} />
      ) : (
        <ItemList items={started} state={state} section="installationStatus" />
      )}
    </>
  )
}
