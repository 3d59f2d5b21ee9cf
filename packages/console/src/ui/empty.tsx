import { makeStyles, mergeClasses, Subtitle2, Text, tokens } from '@fluentui/react-components'
import type { FluentIcon } from '@fluentui/react-icons'
import { useSurface } from './surface.ts'

const useStyles = makeStyles({
  empty: {
    display: 'flex',
    flexDirection: 'column',
    alignItems: 'center',
    gap: tokens.spacingVerticalS,
    paddingTop: '48px',
    paddingBottom: '48px',
  },
  icon: { fontSize: '40px', color: tokens.colorNeutralForeground3, marginBottom: tokens.spacingVerticalS },
})

/** Where a list would be: why there is none, and what would make one. */
export function Empty({ icon: Icon, title, hint }: { icon: FluentIcon; title: string; hint?: string }) {
  const styles = useStyles()
  const surface = useSurface()
  return (
    <div className={mergeClasses(surface.card, styles.empty)}>
      <Icon className={styles.icon} />
      <Subtitle2 align="center">{title}</Subtitle2>
      {hint && (
        <Text align="center" className={surface.quiet}>
          {hint}
        </Text>
      )}
    </div>
  )
}
