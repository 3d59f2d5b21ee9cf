/** What the agent must know about the machine and ask of it. One file per operating system implements it. */
import type { FactRows, MachineFacts, RegistryValue, SoftwareQuery } from '@sluice/engine'
import type { DeviceFacts, Result } from '@sluice/protocol'

export interface Platform {
  /**
   * Names the present boot of the machine; another one after every restart, never taken from a clock
   * (security-reliability §4.2, E8). A process lives in one boot, so it never changes.
   */
  bootId: string
  /** What the device is now. */
  facts(): Promise<DeviceFacts & { freeDiskBytes: number }>
  /** The facts, and what the system tells besides, as rows of WMI's classes. */
  factRows(): Promise<FactRows>
  /** What is known of the machine beyond its facts. */
  machine(): Promise<MachineFacts>
  /** Installed versions of a product in the device's root. */
  software(query: SoftwareQuery): Promise<string[]>
  /** A value of the registry; nothing where there is none. */
  registry(key: string, value: string | undefined): Promise<RegistryValue | 'key' | undefined>
  /** Name of the operating system in the device's root, as in `Debian GNU/Linux 12 (bookworm)`. */
  osName(): Promise<string>
  /**
   * Asks the machine for a restart. The caller has made durable all that must survive it: the process
   * may end at any moment from then on. `RESTART_REFUSED` when the machine does not do it.
   */
  restart(): Promise<Result<void>>
}

/** How the machine is restarted; part of the agent's configuration. */
export type RestartOrder =
  /** Program and arguments, run without a shell. */
  | { kind: 'command'; argv: readonly string[] }
  /** The agent ends with this exit code, and its init does the rest. */
  | { kind: 'exit'; code: number }

export interface PlatformOptions {
  /** Absolute path: its disk is the one whose free space counts. */
  stateFolder: string
  /** Root of the operating system that is managed; `/` but for throw-away roots. */
  osRoot: string
  /** Facts that are told and not found out: a device in a namespace sees its host's firmware. */
  facts: Partial<DeviceFacts>
  restart: RestartOrder
  /** File whose text names the present boot, where what boots the device knows better than the kernel. */
  bootFile?: string | undefined
  /** Ends the agent in an orderly way with this exit code, soon. */
  exit: (code: number) => void
}
