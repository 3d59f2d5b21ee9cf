/** Builds the web pages when their sources are newer; takes no time when they are not. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const script = fileURLToPath(new URL('../../../console/build.ts', import.meta.url))

export async function buildPages(): Promise<void> {
  await promisify(execFile)(process.execPath, [script])
}
