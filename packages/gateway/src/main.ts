/** The gateway as a process: reads its configuration, says when it is ready, ends when told to. */
import { parseArgs } from 'node:util'
import type { Problem } from '@sluice/protocol'
import { type GatewayConfig, readGatewayConfig } from './config.ts'
import { CONFIG_VARIABLE } from './environment.ts'
import { createGateway, type GatewayPorts } from './gateway.ts'
import { createLog } from './log.ts'

const USAGE = 'sluice-gateway --config <file.json>, or the file in SLUICE_GATEWAY_CONFIG'

/** Runs until SIGTERM or SIGINT. Sets the exit code: 0 after a proper end, 1 when it could not start. */
export async function main(args: string[]): Promise<void> {
  const file = configFile(args)
  if (file === undefined) return end(USAGE)
  const read = await readGatewayConfig(file, process.env)
  if (!read.ok) return end(describe(read.problem))
  const log = createLog((line) => process.stderr.write(`${line}\n`))
  const { certificateFile, keyFile } = read.value.config
  const certificateFiles = { certificate: certificateFile, key: keyFile }
  const gateway = await createGateway({ ...read.value, certificateFiles, log })
  if (!gateway.ok) return end(describe(gateway.problem))
  const { ports, stop } = gateway.value

  const ended = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
  process.stdout.write(`${JSON.stringify({ ready: true, ...addresses(read.value.config, ports) })}\n`)
  log.info('gateway.ready', { ...ports })
  log.info('gateway.ending', { signal: await ended })
  await stop()
  log.info('gateway.ended')
}

function configFile(args: string[]): string | undefined {
  try {
    return parseArgs({ args, options: { config: { type: 'string' } } }).values.config ?? process.env[CONFIG_VARIABLE]
  } catch {
    return undefined
  }
}

function addresses({ listeners, management }: GatewayConfig, ports: GatewayPorts) {
  const hosts = Object.entries({ ...listeners, management })
  return Object.fromEntries(
    hosts.flatMap(([name, address]) =>
      address === undefined ? [] : [[name, { host: address.host, port: ports[name as keyof GatewayPorts] }]],
    ),
  )
}

const describe = ({ code, detail }: Problem): string => `${code}: ${detail}`

function end(why: string): void {
  process.stderr.write(`${why}\n`)
  process.exitCode = 1
}
