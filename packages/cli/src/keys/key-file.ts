/**
 * A signing key in a file, under a passphrase: scrypt (RFC 7914) makes the key that seals it, with
 * AES-256-GCM. Everything else in the file is bound to it as additional data.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  scrypt,
  sign,
} from 'node:crypto'
import { type OfflineRole, ReleaseKeyFile } from '@sluice/protocol'
import { failLocally } from '../local-failure.ts'
import { readLocalFile } from '../local-file.ts'

/** 128 MiB and about half a second on the machine of today. */
const SCRYPT = { N: 2 ** 17, r: 8, p: 1 }
const MAX_FILE_BYTES = 16 * 1024

/** What anybody may know of a key. */
export interface PublicHalf {
  role: OfflineRole
  /** SHA-256 of the raw public key, in hexadecimal. */
  keyid: string
  /** The 32 raw bytes, in base64. */
  publicKey: string
}

/** An open key: it signs, and its private half is nowhere else in the program. */
export interface SigningKey extends PublicHalf {
  /** Ed25519 over the bytes. */
  sign(bytes: Uint8Array): Uint8Array
}

/** Makes a key. @returns the open key, and the text of its file */
export async function makeKey(role: OfflineRole, passphrase: string): Promise<{ key: SigningKey; text: string }> {
  return await seal(role, generateKeyPairSync('ed25519').privateKey, passphrase)
}

/** The same key under another passphrase: the text of its new file. Fails locally as `openKey` does. */
export async function sealAnew(path: string, role: OfflineRole, before: string, passphrase: string): Promise<string> {
  return (await seal(role, await unseal(path, role, before), passphrase)).text
}

async function seal(role: OfflineRole, privateKey: KeyObject, passphrase: string) {
  const key = signingKey(role, privateKey)
  const header = {
    format: 'sluice-key/1',
    role,
    keyid: key.keyid,
    publicKey: key.publicKey,
    createdAt: new Date().toISOString(),
    kdf: { name: 'scrypt', ...SCRYPT, salt: randomBytes(16).toString('base64') },
    cipher: { name: 'aes-256-gcm', nonce: randomBytes(12).toString('base64') },
  } as const
  const cipher = createCipheriv('aes-256-gcm', await sealingKey(header, passphrase), nonceOf(header))
  cipher.setAAD(Buffer.from(JSON.stringify(header)))
  const plain = privateKey.export({ type: 'pkcs8', format: 'der' })
  const sealed = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64')
  return { key, text: `${JSON.stringify({ ...header, sealed }, undefined, 2)}\n` }
}

/** Opens a key file. Fails locally when it is none, another key's, or the passphrase is wrong. */
export async function openKey(path: string, role: OfflineRole, passphrase: string): Promise<SigningKey> {
  return signingKey(role, await unseal(path, role, passphrase))
}

async function unseal(path: string, role: OfflineRole, passphrase: string): Promise<KeyObject> {
  const { sealed, ...header } = await readKeyFile(path)
  if (header.role !== role) failLocally(`${path} holds a key for ${header.role}, not for ${role}.`)
  const bytes = Buffer.from(sealed, 'base64')
  const decipher = createDecipheriv('aes-256-gcm', await sealingKey(header, passphrase), nonceOf(header))
  decipher.setAAD(Buffer.from(JSON.stringify(header)))
  decipher.setAuthTag(bytes.subarray(-16))
  let der: Buffer
  try {
    der = Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()])
  } catch {
    return failLocally(`${path} does not open: the passphrase is wrong, or the file was changed.`)
  }
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

export async function publicHalf(path: string): Promise<PublicHalf & { createdAt: string }> {
  const { role, keyid, publicKey, createdAt } = await readKeyFile(path)
  return { role, keyid, publicKey, createdAt }
}

async function readKeyFile(path: string): Promise<ReleaseKeyFile> {
  const text = (await readLocalFile(path, MAX_FILE_BYTES)).toString('utf8')
  try {
    return ReleaseKeyFile.parse(JSON.parse(text))
  } catch {
    return failLocally(`${path} is not a key of this format.`)
  }
}

const nonceOf = ({ cipher }: Pick<ReleaseKeyFile, 'cipher'>) => Buffer.from(cipher.nonce, 'base64')

function sealingKey({ kdf }: Pick<ReleaseKeyFile, 'kdf'>, passphrase: string): Promise<Buffer> {
  const { N, r, p, salt } = kdf
  return new Promise((resolve, reject) => {
    const cost = { N, r, p, maxmem: 256 * N * r }
    scrypt(passphrase.normalize('NFC'), Buffer.from(salt, 'base64'), 32, cost, (error, key) =>
      error === null ? resolve(key) : reject(error),
    )
  })
}

function signingKey(role: OfflineRole, key: KeyObject): SigningKey {
  const raw = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url')
  return {
    role,
    keyid: createHash('sha256').update(raw).digest('hex'),
    publicKey: raw.toString('base64'),
    sign: (bytes) => sign(null, bytes, key),
  }
}
