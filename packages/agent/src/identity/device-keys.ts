/**
 * The two private keys of a device: made on it, never leaving it, readable by the agent only
 * (SEC-80). The identity key (ECDSA P-256) signs; to the seal key (X25519) the site seals secrets.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Sha256 } from '@sluice/protocol'
import { makeFolder, writeDurable } from '../state/durable-file.ts'

export interface DeviceKeys {
  identity: KeyObject
  seal: KeyObject
  /** PEM (PKCS#8) of the identity key, as TLS wants it. */
  identityPem: string
  /** Raw public seal key, standard base64 of 32 bytes. */
  sealPublic: string
  /** SHA-256 of the identity's public key (SPKI): what an administrator compares before approving. */
  fingerprint: Sha256
}

/** Reads the keys of `folder`; makes those that are missing. Durable when it returns. */
export async function openDeviceKeys(folder: string): Promise<DeviceKeys> {
  await makeFolder(folder)
  const identity = await openKey(
    join(folder, 'device.key'),
    () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  )
  const seal = await openKey(join(folder, 'seal.key'), () => generateKeyPairSync('x25519').privateKey)
  const { x } = createPublicKey(seal).export({ format: 'jwk' })
  return {
    identity,
    seal,
    identityPem: toPem(identity),
    sealPublic: Buffer.from(x ?? '', 'base64url').toString('base64'),
    fingerprint: Sha256.parse(
      createHash('sha256')
        .update(createPublicKey(identity).export({ type: 'spki', format: 'der' }))
        .digest('hex'),
    ),
  }
}

async function openKey(path: string, make: () => KeyObject): Promise<KeyObject> {
  const pem = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (pem !== undefined) return createPrivateKey(pem)
  const key = make()
  await writeDurable(path, toPem(key))
  return key
}

const toPem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()
