/** A site of a test file's own, as a real process in a folder of its own, and the command that administers it. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { type CommandOptions, type CommandResult, sluice } from './command.ts'
import { type Server, startServer } from './server.ts'

export interface TestSite {
  /** Gone when the tests of the file have ended; the site's own data is in `site` there. */
  folder: string
  /** A path in the folder. */
  at(name: string): string
  /** The line that the site printed when it was ready. */
  ready: Server['ready']
  /** What else shall end before the folder goes. */
  servers: AsyncDisposableStack
  /** Runs the command against the site. */
  as(args: string[], options?: CommandOptions): Promise<CommandResult>
  /** The text of a command that must work. */
  text(...args: string[]): Promise<string>
  /** The answer of a command that must work. */
  json<T>(...args: string[]): Promise<T>
}

/** Starts it, and ends it after the file's tests. @param options for every command */
export async function testSite(name: string, options: CommandOptions = {}): Promise<TestSite> {
  const folder = await mkdtemp(join(tmpdir(), `sluice-${name}-`))
  const at = (file: string) => join(folder, file)
  const servers = new AsyncDisposableStack()
  after(async () => {
    await servers.disposeAsync()
    await rm(folder, { recursive: true })
  })
  const admin = { host: '127.0.0.1', port: 0 }
  await writeFile(at('site.json'), JSON.stringify({ dataFolder: at('site'), name: 'Test', admin }))
  const { ready } = servers.use(await startServer('site', at('site.json')))

  const as: TestSite['as'] = (args, more = {}) =>
    sluice([...args, '--connection', String(ready.connectionFile)], { env: { HOME: folder }, ...options, ...more })
  async function worked(args: string[]): Promise<CommandResult> {
    const result = await as(args)
    assert.equal(result.code, 0, `${args.join(' ')}\n${result.stdout}${result.stderr}`)
    return result
  }
  return {
    ...{ folder, at, ready, servers, as },
    text: async (...args) => (await worked(args)).stdout,
    json: async <T>(...args: string[]) => (await worked([...args, '--json'])).json as T,
  }
}
