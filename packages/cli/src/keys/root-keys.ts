/**
 * Root keys of one or several holders: which there are, how many of them must sign, and those that sign now.
 *
 *   `root.key`              the only one
 *   `root-1.key`, …         of several holders; each may be taken elsewhere
 *   `root-keys.json`        public halves and threshold of several: what the move puts into the root
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '@sluice/content'
import { RootKeysFile } from '@sluice/protocol'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { openKey, publicHalf, type SigningKey } from './key-file.ts'
import type { KeysFolder } from './keys-folder.ts'
import { passphrase } from './passphrase.ts'

export type RootPlan = Pick<RootKeysFile, 'threshold' | 'keys'>

/** Names of the keys without `.key`, in the order of the plan. */
export const rootNames = (count: number): string[] =>
  count === 1 ? ['root'] : Array.from({ length: count }, (_, i) => `root-${i + 1}`)

const planPath = ({ path }: KeysFolder) => join(path, 'root-keys.json')

export const writePlan = (folder: KeysFolder, { threshold, keys }: RootPlan): Promise<void> => {
  const halves = keys.map(({ keyid, publicKey }) => ({ keyid, publicKey }))
  const file: RootKeysFile = { format: 'sluice-root-keys/1', threshold, keys: halves }
  return writeFileAtomic(planPath(folder), `${JSON.stringify(file, undefined, 2)}\n`)
}

/** A folder without a plan has one root key, which signs alone. */
export async function readPlan(folder: KeysFolder, onlyKey = folder.keyPath('root')): Promise<RootPlan> {
  const text = await readFile(planPath(folder), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return undefined
  })
  if (text === undefined) return { threshold: 1, keys: [await publicHalf(onlyKey)] }
  try {
    return RootKeysFile.parse(JSON.parse(text))
  } catch {
    return failLocally(`${planPath(folder)} cannot be read.`)
  }
}

/** What a root asks of those who sign the next one. */
export interface Needed {
  keyids: readonly string[]
  threshold: number
}

export interface RootKeyOptions {
  /** Files; those of the folder when there are none. */
  rootKey?: string[]
  /** For these files, in their order. */
  rootPassphraseFile?: string[]
  /** Of the folder, and of the files that have none. Without it each holder is asked. */
  passphraseFile?: string
}

/**
 * Opens as many root keys as must sign, and no more. Fails locally when too few of those that count are given.
 * @param last opened only when the others are too few: the key that is to go
 */
export async function openRootKeys(
  session: Session,
  folder: KeysFolder,
  { rootKey, rootPassphraseFile = [], passphraseFile: common }: RootKeyOptions,
  secret: string,
  { keyids, threshold }: Needed,
  last?: string,
): Promise<SigningKey[]> {
  const own = (await readdir(folder.path)).filter((name) => /^root(-\d+)?\.key$/.test(name)).sort()
  const files = rootKey ?? own.map((name) => join(folder.path, name))
  const given: { file: string; keyid: string; passphraseFile: string | undefined }[] = []
  for (const [i, file] of files.entries()) {
    const { keyid } = await publicHalf(file)
    if (!keyids.includes(keyid) || given.some((one) => one.keyid === keyid)) continue
    given.push({ file, keyid, passphraseFile: rootPassphraseFile[i] })
  }
  if (given.length < threshold)
    return failLocally(
      `${threshold} root keys must sign; ${given.length} of those that count were given. Give --root-key <file> for each.`,
    )
  const order = [...given.filter(({ keyid }) => keyid !== last), ...given.filter(({ keyid }) => keyid === last)]
  const opened: SigningKey[] = []
  for (const { file, passphraseFile } of order.slice(0, threshold)) {
    const ofFolder = passphraseFile === undefined && (rootKey === undefined || common !== undefined)
    const words = ofFolder ? secret : await passphrase(session, passphraseFile, false, file)
    opened.push(await openKey(file, 'root', words))
  }
  return opened
}

/** Index of a name in the plan. Fails locally when there is none. */
export function indexOfRoot(plan: RootPlan, name: string | undefined): number {
  const names = rootNames(plan.keys.length)
  if (name === undefined && names.length > 1)
    return failLocally(`Say which root key is replaced: --replace ${names.join(', ')}.`)
  const index = names.indexOf(name ?? 'root')
  return index === -1 ? failLocally(`There is no root key ${name}: ${names.join(', ')}.`) : index
}
