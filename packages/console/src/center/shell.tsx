/** The frame around every view: who offers this, where the reader is, whether the service is there. */
import { Caption1, makeStyles, mergeClasses, Spinner, Subtitle2, Text, tokens } from '@fluentui/react-components'
import type { FluentIcon } from '@fluentui/react-icons'
import { DesktopFilled, DesktopRegular } from '@fluentui/react-icons/svg/desktop'
import { HistoryFilled, HistoryRegular } from '@fluentui/react-icons/svg/history'
import { SettingsFilled, SettingsRegular } from '@fluentui/react-icons/svg/settings'
import type { CenterState } from '@sluice/protocol'
import { useEffect, useRef } from 'react'
import { LanguageMenu } from '../ui/language-menu.tsx'
import { useReader } from '../ui/reader.tsx'
import logo from '../ui/sluice.svg'
import { useSurface } from '../ui/surface.ts'
import { ConnectionNotice } from './connection-notice.tsx'
import { InstallationStatusView } from './installation-status-view.tsx'
import { ItemView } from './item-view.tsx'
import type { Live } from './live.ts'
import { OperatingSystemsView } from './operating-systems-view.tsx'
import { OptionsView } from './options-view.tsx'
import { type Route, routeHref, type Section, sections, useRoute } from './route.ts'

const icons: Record<Section, { plain: FluentIcon; filled: FluentIcon }> = {
  operatingSystems: { plain: DesktopRegular, filled: DesktopFilled },
  installationStatus: { plain: HistoryRegular, filled: HistoryFilled },
  options: { plain: SettingsRegular, filled: SettingsFilled },
}

const narrow = '@media (max-width: 760px)'

const useStyles = makeStyles({
  frame: {
    minHeight: '100vh',
    display: 'grid',
    gridTemplateColumns: '240px minmax(0, 1fr)',
    gridTemplateRows: 'auto 1fr',
    gridTemplateAreas: '"top top" "nav main"',
    backgroundColor: tokens.colorNeutralBackground3,
    [narrow]: {
      gridTemplateColumns: 'minmax(0, 1fr)',
      gridTemplateRows: 'auto auto 1fr',
      gridTemplateAreas: '"top" "nav" "main"',
    },
  },
  skip: {
    position: 'absolute',
    left: '8px',
    top: '-100px',
    zIndex: 1,
    padding: '8px 16px',
    backgroundColor: tokens.colorNeutralBackground1,
    color: tokens.colorBrandForegroundLink,
    borderRadius: tokens.borderRadiusMedium,
    ':focus': { top: '8px' },
  },
  top: {
    gridArea: 'top',
    display: 'flex',
    alignItems: 'center',
    gap: tokens.spacingHorizontalM,
    padding: '10px 16px',
    minWidth: 0,
  },
  logo: { width: '32px', height: '32px', flexShrink: 0 },
  names: { display: 'flex', flexDirection: 'column', flexGrow: 1, minWidth: 0 },
  cut: { overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' },
  nav: {
    gridArea: 'nav',
    display: 'flex',
    flexDirection: 'column',
    justifyContent: 'space-between',
    gap: '24px',
    padding: '8px 12px 20px',
    position: 'sticky',
    top: 0,
    boxSizing: 'border-box',
    height: 'calc(100vh - 56px)',
    [narrow]: { position: 'static', height: 'auto', padding: '0 8px 8px' },
  },
  links: {
    display: 'flex',
    flexDirection: 'column',
    gap: '4px',
    listStyleType: 'none',
    margin: 0,
    padding: 0,
    [narrow]: { flexDirection: 'row' },
  },
  linkItem: { minWidth: 0, [narrow]: { flex: '1 1 0' } },
  link: {
    position: 'relative',
    display: 'flex',
    alignItems: 'center',
    gap: '12px',
    padding: '10px 12px',
    borderRadius: tokens.borderRadiusMedium,
    color: tokens.colorNeutralForeground1,
    textDecorationLine: 'none',
    ':hover': { backgroundColor: tokens.colorNeutralBackground3Hover },
    ':focus-visible': { outline: `2px solid ${tokens.colorStrokeFocus2}` },
    [narrow]: {
      flexDirection: 'column',
      gap: '4px',
      padding: '8px 4px',
      textAlign: 'center',
      boxSizing: 'border-box',
      height: '100%',
    },
  },
  current: {
    backgroundColor: tokens.colorNeutralBackground1,
    fontWeight: tokens.fontWeightSemibold,
    '::before': {
      content: '""',
      position: 'absolute',
      left: 0,
      top: '25%',
      height: '50%',
      width: '3px',
      borderRadius: '2px',
      backgroundColor: tokens.colorBrandBackground,
      [narrow]: { left: '35%', top: 'auto', bottom: '0', width: '30%', height: '3px' },
    },
  },
  linkIcon: { fontSize: '20px', flexShrink: 0 },
  currentIcon: { color: tokens.colorBrandForeground1 },
  linkText: { overflowWrap: 'anywhere', hyphens: 'auto', [narrow]: { fontSize: tokens.fontSizeBase200 } },
  device: {
    display: 'flex',
    flexDirection: 'column',
    padding: '0 12px',
    overflowWrap: 'anywhere',
    [narrow]: { display: 'none' },
  },
  main: {
    gridArea: 'main',
    backgroundColor: tokens.colorNeutralBackground2,
    border: `1px solid ${tokens.colorNeutralStroke2}`,
    borderRightWidth: 0,
    borderBottomWidth: 0,
    borderTopLeftRadius: tokens.borderRadiusXLarge,
    padding: '32px 40px 64px',
    minWidth: 0,
    [narrow]: { padding: '20px 16px 48px', borderTopLeftRadius: 0, borderLeftWidth: 0 },
  },
  content: { maxWidth: '920px', display: 'flex', flexDirection: 'column', gap: '24px' },
  connecting: { paddingTop: '20vh' },
})

export function Shell({ live }: { live: Exclude<Live, { kind: 'ended' }> }) {
  const styles = useStyles()
  const surface = useSurface()
  const { t } = useReader()
  const route = useRoute()
  const state = live.kind === 'connecting' ? undefined : live.state
  const main = useFocusOnNavigation(routeHref(route))
  useEffect(() => {
    document.title = `${pageName(route, state) ?? t(`nav.${route.section}`)} · ${t('product')}`
  }, [route, state, t])

  return (
    <div className={styles.frame}>
      <header className={styles.top}>
        <a
          href={routeHref(route)}
          className={styles.skip}
          onClick={(event) => {
            event.preventDefault()
            main.current?.focus()
          }}
        >
          {t('skipToContent')}
        </a>
        <img src={logo} alt="" className={styles.logo} />
        <div className={styles.names}>
          <Subtitle2 className={styles.cut}>{t('product')}</Subtitle2>
          <Caption1 className={mergeClasses(surface.quiet, styles.cut)}>{state?.organisation}</Caption1>
        </div>
        <LanguageMenu />
      </header>
      <nav className={styles.nav} aria-label={t('nav.label')}>
        <ul className={styles.links}>
          {sections.map((section) => (
            <li key={section} className={styles.linkItem}>
              <SectionLink section={section} route={route} />
            </li>
          ))}
        </ul>
        {state && (
          <div className={styles.device}>
            <Text size={200} weight="semibold">
              {state.device.name}
            </Text>
            <Caption1 className={surface.quiet}>{state.device.os}</Caption1>
          </div>
        )}
      </nav>
      <main ref={main} tabIndex={-1} className={styles.main}>
        <ConnectionNotice live={live} />
        <div className={styles.content}>
          {state ? (
            <View route={route} state={state} reachable={live.kind === 'live'} />
          ) : (
            live.kind === 'connecting' && <Spinner className={styles.connecting} label={t('connection.connecting')} />
          )}
        </div>
      </main>
    </div>
  )
}

function SectionLink({ section, route }: { section: Section; route: Route }) {
  const styles = useStyles()
  const { t } = useReader()
  const current = route.section === section
  const Icon = current ? icons[section].filled : icons[section].plain
  return (
    <a
      href={routeHref({ view: 'section', section })}
      aria-current={current ? (route.view === 'section' ? 'page' : 'true') : undefined}
      className={mergeClasses(styles.link, current && styles.current)}
    >
      <Icon className={mergeClasses(styles.linkIcon, current && styles.currentIcon)} />
      <span className={styles.linkText}>{t(`nav.${section}`)}</span>
    </a>
  )
}

/** `reachable`: whether the service can be asked for something now. */
function View({ route, state, reachable }: { route: Route; state: CenterState; reachable: boolean }) {
  if (route.view === 'item') {
    const { section, deploymentId } = route
    return <ItemView key={deploymentId} {...{ section, deploymentId, state, reachable }} />
  }
  switch (route.section) {
    case 'operatingSystems':
      return <OperatingSystemsView state={state} />
    case 'installationStatus':
      return <InstallationStatusView state={state} />
    case 'options':
      return <OptionsView state={state} reachable={reachable} />
  }
}

function pageName(route: Route, state: CenterState | undefined): string | undefined {
  if (route.view !== 'item') return undefined
  return state?.items.find(({ deploymentId }) => deploymentId === route.deploymentId)?.name
}

/** After each navigation the focus is at the start of the content, as it would be on a page of its own. */
function useFocusOnNavigation(href: string) {
  const main = useRef<HTMLElement>(null)
  const shown = useRef(href)
  useEffect(() => {
    if (shown.current === href) return
    shown.current = href
    window.scrollTo(0, 0)
    main.current?.focus({ preventScroll: true })
  }, [href])
  return main
}
