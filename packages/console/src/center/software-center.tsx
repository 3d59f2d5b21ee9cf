/** The page as a whole: who is reading, with which session, over which connection. */
import { FluentProvider } from '@fluentui/react-components'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { useEffect, useState, useSyncExternalStore } from 'react'
import { ReaderProvider } from '../ui/reader.tsx'
import { useTheme } from '../ui/theme.ts'
import { ApiContext } from './api-context.ts'
import { type CenterApi, createCenterApi } from './center-api.ts'
import { SessionEnded, SessionMissing, Unreadable } from './full-page-notice.tsx'
import { type LiveState, listenLive } from './live.ts'
import { forgetSession, type SessionPlace, takeSession, tokenInFragment } from './session.ts'
import { Shell } from './shell.tsx'

interface Connection {
  api: CenterApi
  live: LiveState
}

/** Waits, but not longer than until the signal. */
const wait = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })

const place: SessionPlace = { location: window.location, history: window.history, storage: window.sessionStorage }
const token = takeSession(place)
const queries = new QueryClient({ defaultOptions: { mutations: { retry: false, networkMode: 'always' } } })

export function SoftwareCenter() {
  const theme = useTheme()
  const [connection, setConnection] = useState<Connection>()

  useEffect(() => {
    if (token === undefined) return
    const closing = new AbortController()
    const api = createCenterApi({ token })
    const live = listenLive({ states: api.states, wait, signal: closing.signal })
    setConnection({ api, live })

    // Somebody looks again, or the network is back: no reason to wait for the end of a pause.
    const retryNow = () => live.retryNow()
    // A link with a new token was opened in this very tab.
    const takeNewSession = () => {
      if (tokenInFragment(window.location.hash) !== undefined) window.location.reload()
    }
    document.addEventListener('visibilitychange', retryNow)
    window.addEventListener('online', retryNow)
    window.addEventListener('hashchange', takeNewSession)
    return () => {
      document.removeEventListener('visibilitychange', retryNow)
      window.removeEventListener('online', retryNow)
      window.removeEventListener('hashchange', takeNewSession)
      closing.abort()
    }
  }, [])

  return (
    <FluentProvider theme={theme}>
      <ReaderProvider>
        <QueryClientProvider client={queries}>
          {token === undefined && <SessionMissing />}
          {connection && <Connected {...connection} />}
        </QueryClientProvider>
      </ReaderProvider>
    </FluentProvider>
  )
}

function Connected({ api, live }: Connection) {
  const now = useSyncExternalStore(live.subscribe, live.get)
  const refused = now.kind === 'ended' && now.why === 'sessionRefused'
  useEffect(() => {
    if (refused) forgetSession(place)
  }, [refused])
  if (now.kind === 'ended') return refused ? <SessionEnded /> : <Unreadable />
  return (
    <ApiContext value={api}>
      <Shell live={now} />
    </ApiContext>
  )
}
