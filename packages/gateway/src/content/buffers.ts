/** Pairs of 1 MiB buffers for sending: reused, and so many that memory is bounded whatever devices do. */
import type { DeviceId } from '@sluice/protocol'

/** Size of one buffer (platform.md §8: as cheap as sendfile). */
export const BUFFER_BYTES = 256 * 1024

export type BufferPair = [Buffer, Buffer]

export interface Buffers {
  /** Undefined when all pairs are out, or the device has its share. */
  take(deviceId: DeviceId): BufferPair | undefined
  /** @param pair undefined when it must not be used again */
  give(deviceId: DeviceId, pair: BufferPair | undefined): void
}

/** Pairs that are kept for the next transfer. */
const SPARE_PAIRS = 16

export function createBuffers(limits: { transfers: number; transfersPerDevice: number }): Buffers {
  const spare: BufferPair[] = []
  const perDevice = new Map<DeviceId, number>()
  let out = 0
  return {
    take(deviceId) {
      const own = perDevice.get(deviceId) ?? 0
      if (out >= limits.transfers || own >= limits.transfersPerDevice) return undefined
      out++
      perDevice.set(deviceId, own + 1)
      return spare.pop() ?? [Buffer.allocUnsafeSlow(BUFFER_BYTES), Buffer.allocUnsafeSlow(BUFFER_BYTES)]
    },
    give(deviceId, pair) {
      out--
      const own = (perDevice.get(deviceId) ?? 1) - 1
      if (own === 0) perDevice.delete(deviceId)
      else perDevice.set(deviceId, own)
      if (pair !== undefined && spare.length < SPARE_PAIRS) spare.push(pair)
    },
  }
}
