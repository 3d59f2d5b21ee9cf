import { makeStyles, mergeClasses, ProgressBar, Text } from '@fluentui/react-components'
import type { RunProgress } from '@sluice/protocol'
import type { TFunction } from 'i18next'
import type { Measures } from '../ui/measures.ts'
import { useReader } from '../ui/reader.tsx'
import { useSurface } from '../ui/surface.ts'

const useStyles = makeStyles({
  row: {
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'baseline',
    justifyContent: 'space-between',
    columnGap: '16px',
    rowGap: '4px',
  },
  name: { overflowWrap: 'anywhere' },
  numbers: { fontVariantNumeric: 'tabular-nums' },
})

type Download = NonNullable<RunProgress['download']>

/** A download as it goes: bytes of bytes, rate, time left. `paused`: it waits for its source. */
export function DownloadLine({ download, paused }: { download: Download; paused: boolean }) {
  const styles = useStyles()
  const surface = useSurface()
  const { t, measures } = useReader()
  const name = t('progress.downloading', { name: download.packageName })
  const numbers = downloadNumbers(download, paused, t, measures)
  return (
    <>
      <div className={styles.row}>
        <Text className={styles.name}>{name}</Text>
        <Text className={mergeClasses(surface.quiet, styles.numbers)}>{numbers}</Text>
      </div>
      <ProgressBar
        aria-label={name}
        aria-valuetext={numbers}
        value={download.totalBytes === 0 ? 0 : download.doneBytes / download.totalBytes}
      />
    </>
  )
}

function downloadNumbers(download: Download, paused: boolean, t: TFunction, measures: Measures): string {
  const { doneBytes, totalBytes, bytesPerSecond } = download
  const parts = [t('progress.bytes', { done: measures.bytes(doneBytes), total: measures.bytes(totalBytes) })]
  if (!paused && bytesPerSecond > 0) {
    parts.push(measures.rate(bytesPerSecond))
    const leftMs = ((totalBytes - doneBytes) / bytesPerSecond) * 1000
    // Below that a time left would only flicker.
    if (leftMs >= 10_000) parts.push(t('progress.timeLeft', { time: measures.duration(leftMs) }))
  }
  return parts.join(' · ')
}
