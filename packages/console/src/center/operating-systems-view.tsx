import { Tab, TabList } from '@fluentui/react-components'
import { DesktopCheckmarkRegular } from '@fluentui/react-icons/svg/desktop-checkmark'
import type { CenterState } from '@sluice/protocol'
import { useState } from 'react'
import { Empty } from '../ui/empty.tsx'
import { PageHead } from '../ui/page-head.tsx'
import { useReader } from '../ui/reader.tsx'
import { ItemList } from './item-list.tsx'

/** Everything that is offered, by name, as the original lists it (configmgr-behaviour §6.1). */
export function OperatingSystemsView({ state }: { state: CenterState }) {
  const { t, language } = useReader()
  const [requiredOnly, setRequiredOnly] = useState(false)
  const byName = new Intl.Collator(language, { numeric: true })
  const items = state.items
    .filter(({ required }) => required || !requiredOnly)
    .toSorted((a, b) => byName.compare(a.name, b.name))
  return (
    <>
      <PageHead
        title={t('nav.operatingSystems')}
        intro={t('list.intro', { organisation: state.organisation, device: state.device.name })}
      />
      {state.items.length === 0 ? (
        <Empty icon={DesktopCheckmarkRegular} title={t('list.empty')} hint={t('list.emptyHint')} />
      ) : (
        <>
          {state.items.length > 1 && (
            <TabList
              aria-label={t('list.filter')}
              selectedValue={requiredOnly ? 'required' : 'all'}
              onTabSelect={(_, { value }) => setRequiredOnly(value === 'required')}
            >
              <Tab value="all">{t('list.all')}</Tab>
              <Tab value="required">{t('list.required')}</Tab>
            </TabList>
          )}
          {items.length === 0 ? (
            <Empty icon={DesktopCheckmarkRegular} title={t('list.emptyRequired')} />
          ) : (
            <ItemList items={items} state={state} section="operatingSystems" />
          )}
        </>
      )}
    </>
  )
}
