import { Button, Menu, MenuItemRadio, MenuList, MenuPopover, MenuTrigger } from '@fluentui/react-components'
import { LocalLanguageRegular } from '@fluentui/react-icons/svg/local-language'
import { languageNames, languages } from '../i18n/language.ts'
import { useReader } from './reader.tsx'

/** The reader's choice over the browser's language. */
export function LanguageMenu() {
  const { t, language, choose } = useReader()
  return (
    <Menu
      checkedValues={{ language: [language] }}
      onCheckedValueChange={(_, { checkedItems }) => {
        const chosen = languages.find((one) => one === checkedItems[0])
        if (chosen) choose(chosen)
      }}
    >
      <MenuTrigger disableButtonEnhancement>
        <Button
          appearance="subtle"
          icon={<LocalLanguageRegular />}
          aria-label={`${t('language')}: ${languageNames[language]}`}
        >
          {languageNames[language]}
        </Button>
      </MenuTrigger>
      <MenuPopover>
        <MenuList>
          {languages.map((one) => (
            <MenuItemRadio key={one} name="language" value={one} lang={one}>
              {languageNames[one]}
            </MenuItemRadio>
          ))}
        </MenuList>
      </MenuPopover>
    </Menu>
  )
}
