/**
 * Windows: what Node knows of it, and what the registry says of the machine.
 *
 * Boot identity: a GUID in a volatile key of the registry, which `SluiceStep` makes and reads (design §6). Where that
 * has not been compiled yet, the uptime tells boots apart as elsewhere (`portable.ts`).
 */
import { spawnSync } from 'node:child_process'
import { release, version } from 'node:os'
import { win32 } from 'node:path'
import { deviceRows } from '@sluice/engine'
import type { DeviceFacts } from '@sluice/protocol'
import { windowsFolder } from '../run/windows/environment.ts'
import { missingStepProgram, windowsBoot } from '../run/windows/step-program.ts'
import type { Platform, PlatformOptions } from './platform.ts'
import { createPortablePlatform, portableFacts } from './portable.ts'

const FIRMWARE = 'HKLM\\HARDWARE\\DESCRIPTION\\System\\BIOS'
const ASK_MS = 30_000

export async function createWindowsPlatform(options: PlatformOptions): Promise<Platform> {
  const portable = await createPortablePlatform(options)
  const found = windowsFacts()
  const facts = () => portableFacts(options, found)
  return {
    ...portable,
    bootId: options.bootFile === undefined && missingStepProgram() === undefined ? windowsBoot() : portable.bootId,
    facts,
    factRows: async () => deviceRows(await facts()),
    osName: async () => (await facts()).os.name,
  }
}

function windowsFacts(): Partial<DeviceFacts> {
  const text = ask(win32.join(windowsFolder(process.env), 'System32', 'reg.exe'), 'query', FIRMWARE)
  return {
    os: { id: 'windows', name: version().slice(0, 255), version: release().slice(0, 64) },
    manufacturer: firmwareValue(text, 'SystemManufacturer'),
    model: firmwareValue(text, 'SystemProductName'),
  }
}

/** @param text as `reg query` prints it: name, kind and value, apart by blanks; empty when it is not there */
export function firmwareValue(text: string, name: string): string {
  const line = text.split(/\r?\n/).find((one) => one.trim().startsWith(`${name} `))
  return (/\sREG_SZ\s+(.*)$/.exec(line ?? '')?.[1] ?? '').trim().slice(0, 255)
}

function ask(program: string, ...words: string[]): string {
  return spawnSync(program, words, { encoding: 'utf8', timeout: ASK_MS, windowsHide: true }).stdout ?? ''
}
