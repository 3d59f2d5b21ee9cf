import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'

/** Windows removes no folder in which a file is open, and what a test has open it closes after this. */
const last: string[] = []
after(() => {
  for (const folder of last) rmSync(folder, { recursive: true, force: true })
})

/** A folder of the test's own, gone after it; on Windows after all tests of the file. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-agent-'))
  if (process.platform === 'win32') last.push(folder)
  else t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
