import { makeStyles, Text, Title2, tokens } from '@fluentui/react-components'

const useStyles = makeStyles({
  head: { display: 'flex', flexDirection: 'column', gap: tokens.spacingVerticalXS },
  title: { overflowWrap: 'anywhere', '@media (max-width: 640px)': { fontSize: '24px', lineHeight: '32px' } },
  intro: { color: tokens.colorNeutralForeground3 },
})

export function PageHead({ title, intro }: { title: string; intro?: string }) {
  const styles = useStyles()
  return (
    <div className={styles.head}>
      <Title2 as="h1" className={styles.title}>
        {title}
      </Title2>
      {intro && <Text className={styles.intro}>{intro}</Text>}
    </div>
  )
}
