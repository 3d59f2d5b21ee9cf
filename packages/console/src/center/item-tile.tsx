import { makeStyles, tokens } from '@fluentui/react-components'
import { DesktopArrowDownFilled } from '@fluentui/react-icons/svg/desktop-arrow-down'

const useStyles = makeStyles({
  tile: {
    flexShrink: 0,
    display: 'grid',
    placeItems: 'center',
    borderRadius: tokens.borderRadiusXLarge,
    color: tokens.colorNeutralForegroundInverted,
    backgroundImage: 'linear-gradient(135deg, #0f6cbd, #0b4f8c)',
  },
})

/** The picture of a sequence. */
export function ItemTile({ size }: { size: 48 | 72 }) {
  const styles = useStyles()
  return (
    <span className={styles.tile} style={{ width: size, height: size, fontSize: size * 0.55 }}>
      <DesktopArrowDownFilled primaryFill="#fff" />
    </span>
  )
}
