/**
 * The folder that a gateway is started from: its key, made here and never sent, the certificate that
 * the site gave for it, the authority of the link, and a configuration. Everything in it is only for
 * its owner.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import 'reflect-metadata'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import type { GatewayJoin } from '@sluice/protocol'
import { failLocally } from './local-failure.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

export interface GatewayListeners {
  enrolment: { host: string; port: number }
  device: { host: string; port: number }
  link: { host: string; port: number }
}

/** Makes the folder, the key in it and the request to sign it. Refuses a folder that holds anything. */
export async function prepareGatewayFolder(folder: string): Promise<{ csr: string }> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if ((await readdir(folder)).length > 0) failLocally(`The folder ${folder} is not empty.`)
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const request = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: algorithm })
  const key = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const lines = key.match(/.{1,64}/g) ?? []
  await writeNew(
    join(folder, 'gateway.key'),
    `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`,
  )
  return { csr: request.toString('pem') }
}

/** Writes what the site gave. @returns the path of the configuration for `sluice-gateway --config` */
export async function completeGatewayFolder(
  folder: string,
  join_: GatewayJoin,
  listeners: GatewayListeners,
): Promise<string> {
  await writeNew(join(folder, 'gateway.pem'), join_.certificate)
  await writeNew(join(folder, 'link-authority.pem'), join_.linkAuthority)
  const configuration = join(folder, 'gateway.json')
  const content = {
    gatewayId: join_.gatewayId,
    siteId: join_.siteId,
    dataFolder: 'data',
    listeners,
    certificateFile: 'gateway.pem',
    keyFile: 'gateway.key',
    linkAuthorityFile: 'link-authority.pem',
  }
  await writeNew(configuration, `${JSON.stringify(content, null, 2)}\n`)
  return configuration
}

/** The request for a new certificate of the key that lies in the folder, and what writes the certificate there. */
export async function renewalOf(
  folder: string,
): Promise<{ gatewayId: string; csr: string; replace: (certificate: string) => Promise<string> }> {
  const at = async (name: string) =>
    await readFile(resolve(folder, name), 'utf8').catch((error: Error) =>
      failLocally(`${folder} is no folder of a gateway: ${error.message}`),
    )
  const { gatewayId, certificateFile, keyFile } = readConfiguration(await at('gateway.json'))
  const privateKey = createPrivateKey(await at(keyFile))
  const publicKey = createPublicKey(privateKey)
  const imported = await Promise.all([
    crypto.subtle.importKey('pkcs8', privateKey.export({ type: 'pkcs8', format: 'der' }), algorithm, false, ['sign']),
    crypto.subtle.importKey('spki', publicKey.export({ type: 'spki', format: 'der' }), algorithm, true, ['verify']),
  ])
  const keys = { privateKey: imported[0], publicKey: imported[1] }
  const request = await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm: algorithm })
  return {
    gatewayId,
    csr: request.toString('pem'),
    async replace(certificate) {
      const file = resolve(folder, certificateFile)
      // The gateway may read at any moment: it sees the old one or the new one.
      const fresh = `${file}.new`
      await rm(fresh, { force: true })
      await writeNew(fresh, certificate)
      await rename(fresh, file)
      return file
    },
  }
}

function readConfiguration(text: string): { gatewayId: string; certificateFile: string; keyFile: string } {
  const read: unknown = JSON.parse(text)
  const field = (name: string): string => {
    const value: unknown = typeof read === 'object' && read !== null ? Reflect.get(read, name) : undefined
    return typeof value === 'string' ? value : failLocally(`gateway.json has no ${name}.`)
  }
  return { gatewayId: field('gatewayId'), certificateFile: field('certificateFile'), keyFile: field('keyFile') }
}

/** Takes the key away again: nothing was signed for it. */
export const abandonGatewayFolder = (folder: string): Promise<void> => rm(join(folder, 'gateway.key'), { force: true })

async function writeNew(file: string, text: string): Promise<void> {
  await using handle = await open(file, 'wx', 0o600)
  await handle.writeFile(text)
  await handle.sync()
}
