/** The programs of others, and how long they take. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { until } from '../until.ts'

const run = promisify(execFile)

/** Milliseconds a command takes, or that it had taken when it was stopped. It throws when it fails. */
export async function timed(
  words: readonly string[],
  options: { cwd?: string; stopAfterMs?: number } = {},
): Promise<{ milliseconds: number; stopped: boolean }> {
  const began = performance.now()
  const child = spawn(words[0] ?? '', words.slice(1), {
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  let complaint = ''
  child.stderr.on('data', (piece: Buffer) => {
    complaint = `${complaint}${piece}`.slice(-2000)
  })
  let stopped = false
  const timer =
    options.stopAfterMs === undefined
      ? undefined
      : setTimeout(() => {
          stopped = true
          child.kill('SIGKILL')
        }, options.stopAfterMs)
  const [code] = (await once(child, 'close')) as [number | null]
  clearTimeout(timer)
  if (code !== 0 && !stopped) throw new Error(`${words.slice(0, 3).join(' ')} … ended with ${code}: ${complaint}`)
  return { milliseconds: performance.now() - began, stopped }
}

/** The tools of `names` that are not installed. */
export async function missingTools(names: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    names.map((name) =>
      run('sh', ['-c', `PATH="$PATH:/usr/sbin:/sbin"; command -v ${name}`]).then(
        () => true,
        () => false,
      ),
    ),
  )
  return names.filter((_, i) => !found[i])
}

export interface Nginx {
  /** Without a slash at the end. */
  url: string
  /** File with the certificate to trust. */
  authority: string
  /** Of a file or folder below what it serves. */
  pathOf(file: string): string
  pids(): Promise<number[]>
}

/** nginx over TLS as Debian sets it up, serving `root`. */
export async function startNginx(options: {
  folder: string
  root: string
  host: string
  port: number
  resources: AsyncDisposableStack
}): Promise<Nginx> {
  const { folder, root, host, port, resources } = options
  const at = (name: string) => join(folder, name)
  const subject = ['-subj', '/CN=nginx', '-addext', `subjectAltName=IP:${host}`]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('nginx.key')]
  await run('openssl', ['req', '-x509', ...key, '-out', at('nginx.pem'), '-days', '30', ...subject])
  await writeFile(
    at('nginx.conf'),
    `daemon off; user root; worker_processes auto; pid ${at('nginx.pid')}; error_log ${at('nginx.log')};
events { worker_connections 512; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
  client_body_temp_path ${at('b')}; proxy_temp_path ${at('p')}; fastcgi_temp_path ${at('f')};
  uwsgi_temp_path ${at('u')}; scgi_temp_path ${at('s')};
  server {
    listen ${host}:${port} ssl; ssl_certificate ${at('nginx.pem')}; ssl_certificate_key ${at('nginx.key')};
    ssl_protocols TLSv1.2 TLSv1.3; root ${root};
  }
}
`,
  )
  const child = spawn('/usr/sbin/nginx', ['-p', folder, '-c', at('nginx.conf')], { stdio: 'ignore' })
  resources.defer(async () => {
    child.kill('SIGTERM')
    if (child.exitCode === null) await once(child, 'exit')
  })
  await until(
    () =>
      new Promise<boolean>((resolve) => {
        const socket = connect({ host, port }, () => {
          socket.destroy()
          resolve(true)
        })
        socket.once('error', () => resolve(false))
      }),
    `nginx; its log is ${at('nginx.log')}`,
    10_000,
  )
  return {
    url: `https://${host}:${port}`,
    authority: at('nginx.pem'),
    pathOf: (file) => relative(root, file),
    async pids() {
      const { stdout } = await run('ps', ['--ppid', String(child.pid), '-o', 'pid='])
      return [child.pid as number, ...stdout.split('\n').filter(Boolean).map(Number)]
    },
  }
}
