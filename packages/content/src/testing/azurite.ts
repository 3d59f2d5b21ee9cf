/** Azurite, Microsoft's emulator of Azure Storage, which checks keys, signatures and expiry. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { canConnect, freePorts, startChild, untilReady } from './child.ts'

/** The account that every Azurite has, and its key, which is no secret. */
export const azuriteAccount = 'devstoreaccount1'
export const azuriteKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

export interface RunningAzurite {
  port: number
  /** Name of a new, empty container. */
  createContainer(): Promise<string>
  /** Address of a container, through another port on request. */
  containerUrl(container: string, through?: number): string
  close(): Promise<void>
}

/** PEM files: it then speaks TLS and takes OAuth tokens, whose signature it does not check. */
export interface AzuriteTls {
  certificate: string
  key: string
}

export async function startAzurite(tls?: AzuriteTls): Promise<RunningAzurite> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-azurite-'))
  const [port = 0] = await freePorts(1)
  const program = join(dirname(createRequire(import.meta.url).resolve('azurite/package.json')), 'dist/src/blob/main.js')
  const oauth = tls === undefined ? [] : ['--oauth', 'basic', '--cert', tls.certificate, '--key', tls.key]
  const listening = ['--blobPort', String(port), '--location', folder]
  const child = startChild(process.execPath, [
    program,
    ...listening,
    ...oauth,
    '--silent',
    '--skipApiVersionCheck',
    '--disableTelemetry',
  ])
  const scheme = tls === undefined ? 'http' : 'https'
  const containerUrl = (container: string, through = port) =>
    `${scheme}://127.0.0.1:${through}/${azuriteAccount}/${container}`
  const close = async () => {
    await child.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  try {
    await untilReady([child], () => canConnect(port))
  } catch (error) {
    await close()
    throw error
  }
  return {
    port,
    containerUrl,
    close,
    async createContainer() {
      const name = `sluice-${randomBytes(6).toString('hex')}`
      const credential = new StorageSharedKeyCredential(azuriteAccount, azuriteKey)
      await new ContainerClient(containerUrl(name), credential).create()
      return name
    },
  }
}
