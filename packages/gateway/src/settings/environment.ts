/**
 * Settings from the environment, laid over the configuration file: `SLUICE_GATEWAY_` and the path of a
 * field, two underscores between its parts, as in `SLUICE_GATEWAY_LIMITS__CONNECTIONS=100`.
 */

const PREFIX = 'SLUICE_GATEWAY_'
/** Names the file itself. */
export const CONFIG_VARIABLE = `${PREFIX}CONFIG`

type Env = Readonly<Record<string, string | undefined>>

/** @param file what the file holds; not changed */
export function withEnvironment(file: unknown, env: Env): unknown {
  let result = file
  for (const [name, text] of Object.entries(env))
    if (name.startsWith(PREFIX) && name !== CONFIG_VARIABLE && text !== undefined)
      result = withField(result, name.slice(PREFIX.length).split('__').map(camelCase), readValue(text))
  return result
}

function withField(whole: unknown, [name, ...deeper]: string[], value: unknown): unknown {
  if (name === undefined) return value
  const fields = typeof whole === 'object' && whole !== null && !Array.isArray(whole) ? whole : {}
  return { ...fields, [name]: withField(Reflect.get(fields, name), deeper, value) }
}

const camelCase = (part: string): string =>
  part.toLowerCase().replace(/_([a-z0-9])/g, (_, c: string) => c.toUpperCase())

/** JSON where it is JSON, so that numbers, switches and lists can be given. */
function readValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
