/**
 * Signed addresses of objects: what this gateway itself promised a device, so that serving bytes
 * needs no token and no table. Bound to one object, one device and a few minutes (SEC-56).
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ObjectName, writeFileAtomic } from '@sluice/content'
import type { CloudPointId, DeviceId } from '@sluice/protocol'

/** Life of a signed address (design §4), in milliseconds. */
export const URL_LIFE_MS = 5 * 60_000
const KEY_BYTES = 32

export interface UrlSigner {
  /**
   * The query of an address that holds until `expiresAt` (milliseconds since 1970, whole seconds).
   * @param point that the bytes are relayed from; the gateway's own folder when absent
   */
  sign(name: ObjectName, deviceId: DeviceId, expiresAt: number, point?: CloudPointId): string
  /** Whether the query of a request is one that this gateway signed for this device and object, and holds now. */
  verify(name: ObjectName, deviceId: DeviceId, query: URLSearchParams, now: number): boolean
}

/** Opens the key in the data folder; the first start makes it. */
export async function openUrlSigner(folder: string): Promise<UrlSigner> {
  const file = join(folder, 'url-key')
  let key = await readFile(file).catch(() => undefined)
  if (key?.length !== KEY_BYTES) {
    key = randomBytes(KEY_BYTES)
    await writeFileAtomic(file, key)
  }
  return createUrlSigner(key)
}

export function createUrlSigner(key: Uint8Array): UrlSigner {
  const mac = (name: ObjectName, deviceId: DeviceId, expires: string, point: string | null): Buffer => {
    const signed = ['sluice-url/1', name.kind, name.hash, deviceId, expires, ...(point === null ? [] : [point])]
    return createHmac('sha256', key).update(signed.join('\n')).digest()
  }

  return {
    sign(name, deviceId, expiresAt, point) {
      const expires = String(Math.floor(expiresAt / 1000))
      const from = point === undefined ? '' : `point=${point}&`
      return `${from}expires=${expires}&signature=${mac(name, deviceId, expires, point ?? null).toString('base64url')}`
    },
    verify(name, deviceId, query, now) {
      const expires = query.get('expires') ?? ''
      const point = query.get('point')
      if (query.size !== (point === null ? 2 : 3) || !/^[1-9]\d{0,11}$/.test(expires)) return false
      const given = Buffer.from(query.get('signature') ?? '', 'base64url')
      const right = mac(name, deviceId, expires, point)
      return given.length === right.length && timingSafeEqual(given, right) && now <= Number(expires) * 1000
    },
  }
}
