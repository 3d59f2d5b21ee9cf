/** *Options*: ask for policy now, the language, and which device this is. */
import {
  Button,
  MessageBar,
  MessageBarBody,
  makeStyles,
  mergeClasses,
  Radio,
  RadioGroup,
  Subtitle2,
  Text,
} from '@fluentui/react-components'
import { ArrowSyncRegular } from '@fluentui/react-icons/svg/arrow-sync'
import { type CenterState, ProblemError } from '@sluice/protocol'
import { useMutation } from '@tanstack/react-query'
import { languageNames, languages } from '../i18n/language.ts'
import { Facts } from '../ui/facts.tsx'
import { PageHead } from '../ui/page-head.tsx'
import { ProblemNote } from '../ui/problem-note.tsx'
import { useReader } from '../ui/reader.tsx'
import { useSurface } from '../ui/surface.ts'
import { useApi } from './api-context.ts'

const useStyles = makeStyles({
  row: { display: 'flex', flexWrap: 'wrap', alignItems: 'center', columnGap: '16px', rowGap: '8px' },
  languages: { flexWrap: 'wrap', marginLeft: '-8px' },
})

export function OptionsView({ state, reachable }: { state: CenterState; reachable: boolean }) {
  const surface = useSurface()
  const { t } = useReader()
  const { device, organisation, online } = state
  return (
    <>
      <PageHead title={t('nav.options')} />
      <PolicyCard policyAt={state.policyAt} reachable={reachable} />
      <LanguageCard />
      <section className={mergeClasses(surface.card, surface.stack)} aria-labelledby="device">
        <Subtitle2 as="h2" id="device">
          {t('options.device.title')}
        </Subtitle2>
        <Facts
          facts={[
            { name: t('options.device.name'), value: device.name },
            { name: t('options.device.os'), value: device.os },
            { name: t('options.device.organisation'), value: organisation },
            {
              name: t('options.device.connection'),
              value: online ? t('options.device.online') : t('options.device.offline'),
            },
          ]}
        />
      </section>
    </>
  )
}

function PolicyCard({ policyAt, reachable }: { policyAt: string | undefined; reachable: boolean }) {
  const styles = useStyles()
  const surface = useSurface()
  const { t, measures } = useReader()
  const api = useApi()
  const sync = useMutation({ mutationFn: () => api.syncPolicy() })
  return (
    <section className={mergeClasses(surface.card, surface.stack)} aria-labelledby="policy">
      <Subtitle2 as="h2" id="policy">
        {t('options.policy.title')}
      </Subtitle2>
      <Text>{t('options.policy.text')}</Text>
      <div className={styles.row}>
        <Button
          icon={<ArrowSyncRegular />}
          disabledFocusable={!reachable || sync.isPending}
          onClick={() => sync.mutate()}
        >
          {sync.isPending ? t('options.policy.syncing') : t('options.policy.sync')}
        </Button>
        <Text size={200} className={surface.quiet} role="status">
          {sync.isSuccess && `${t('options.policy.asked')} `}
          {policyAt ? t('options.policy.last', { time: measures.dateTime(policyAt) }) : t('options.policy.never')}
        </Text>
      </div>
      {sync.error && (
        <MessageBar intent="error" layout="multiline">
          <MessageBarBody>
            <Text weight="semibold">{t('options.policy.failed')}</Text>
            {sync.error instanceof ProblemError && <ProblemNote problem={sync.error.problem} />}
          </MessageBarBody>
        </MessageBar>
      )}
    </section>
  )
}

function LanguageCard() {
  const styles = useStyles()
  const surface = useSurface()
  const { t, language, choose } = useReader()
  return (
    <section className={mergeClasses(surface.card, surface.stack)} aria-labelledby="language">
      <Subtitle2 as="h2" id="language">
        {t('options.language.title')}
      </Subtitle2>
      <Text>{t('options.language.text')}</Text>
      <RadioGroup
        layout="horizontal"
        className={styles.languages}
        aria-labelledby="language"
        value={language}
        onChange={(_, { value }) => {
          const chosen = languages.find((one) => one === value)
          if (chosen) choose(chosen)
        }}
      >
        {languages.map((one) => (
          <Radio key={one} value={one} label={{ children: languageNames[one], lang: one }} />
        ))}
      </RadioGroup>
    </section>
  )
}
