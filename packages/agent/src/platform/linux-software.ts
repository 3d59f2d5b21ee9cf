/** Installed versions of a product, by the package tool of the system in the device's root. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const TOOL_MS = 30_000
const MAX_OUTPUT_BYTES = 64 * 1024

/** @param name of the package; a name that no package can have is not installed */
export async function installedVersions(osRoot: string, name: string): Promise<string[]> {
  if (!/^[A-Za-z0-9][A-Za-z0-9+._:-]{0,254}$/.test(name)) return []
  const dpkg = join(osRoot, 'var/lib/dpkg')
  // biome-ignore lint/suspicious/noTemplateCurlyInString: these are dpkg's own placeholders
  const format = '--showformat=${db:Status-Status} ${Version}\\n'
  const words = existsSync(join(dpkg, 'status'))
    ? ['dpkg-query', `--admindir=${dpkg}`, format, '--show', '--', name]
    : ['rpm', `--root=${osRoot}`, '--query', '--queryformat=installed %{VERSION}-%{RELEASE}\\n', '--', name]
  const [program = '', ...others] = words
  // Both end with 1 for what is not installed; without either tool nothing is.
  const printed = await run(program, others, { timeout: TOOL_MS, maxBuffer: MAX_OUTPUT_BYTES }).then(
    ({ stdout }) => stdout,
    () => '',
  )
  return printed.split('\n').flatMap((text) => (text.startsWith('installed ') ? [text.slice('installed '.length)] : []))
}
