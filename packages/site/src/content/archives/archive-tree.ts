/**
 * The entries of an archive as a folder would have them, under the same rules. Archives can say what no
 * folder can: a name twice, a file below a file, paths that lead out. All of that is refused, with its path.
 *
 *   A1. An entry is taken only when every name of its path may stand there on the target.
 *   A2. What an archive may claim is bounded before anything is read: entries, bytes, bytes for its size.
 */
import {
  comparePaths,
  createSurvey,
  type FileBytes,
  type ImportRules,
  nameKey,
  pathFault,
  type SourceEntry,
  symlinkFault,
  type TreeSurvey,
  twinFault,
} from '@sluice/content'
import { ProblemError, problem } from '@sluice/protocol'

export const MOST_ENTRIES = 250_000
export const MOST_PLAIN_BYTES = 1024 * 1024 * 1024 * 1024
/** Deflate cannot do more; what other methods do beyond it is a bomb. */
export const MOST_RATIO = 1032
/** Below this an archive may be as dense as it likes. */
const FREE_BYTES = 256 * 1024 * 1024

export interface ArchiveEntry {
  /** As the archive has it; `./` before it and `/` behind it are dropped. */
  path: string
  modifiedMs: number
  losses?: string[]
  what:
    | { kind: 'file'; sizeBytes: number; executable: boolean; bytes: FileBytes }
    | { kind: 'symlink'; target: string }
    | { kind: 'folder' }
    /** The file at a path before it. */
    | { kind: 'link'; target: string }
    | { kind: 'refused'; reason: string }
}

export interface ArchiveTree {
  add(entry: ArchiveEntry): void
  /** @param order `path`, or that of the archive */
  finish(order: 'path' | 'archive'): { survey: TreeSurvey; entries: SourceEntry[] }
}

interface Node {
  name: string
  /** Undefined for a folder. */
  file: SourceEntry | undefined
  modifiedMs: number
  children: Map<string, Node>
}

/** @param archiveBytes size of the archive. `CONTENT_TOO_LARGE` is thrown as a `ProblemError` (A2). */
export function createArchiveTree(rules: ImportRules, archiveBytes: number): ArchiveTree {
  const { target } = rules
  const survey = createSurvey(rules)
  const root: Node = { name: '', file: undefined, modifiedMs: 0, children: new Map() }
  const inOrder: SourceEntry[] = []
  const refuse = (path: string, reason: string) => survey.see({ kind: 'refused', path: path.slice(0, 500), reason })
  let count = 0
  let plainBytes = 0

  /** A1. The folder that a path lies in, made where it is not there; undefined when it may not be. */
  function parentOf(path: string, names: readonly string[]): Node | undefined {
    let node = root
    let at = ''
    for (const name of names) {
      at += at === '' ? name : `/${name}`
      const key = nameKey(name, target)
      const known = node.children.get(key)
      if (known === undefined) {
        const made: Node = { name, file: undefined, modifiedMs: 0, children: new Map() }
        node.children.set(key, made)
        node = made
        continue
      }
      if (known.file !== undefined) return void refuse(path, `below ${JSON.stringify(at)}, which is no folder`)
      if (known.name !== name) return void refuse(path, twinFault(at.slice(0, -name.length) + known.name))
      node = known
    }
    return node
  }

  function bound(sizeBytes: number): void {
    plainBytes += sizeBytes
    const refused = (what: string): never => {
      throw new ProblemError(problem('CONTENT_TOO_LARGE', what))
    }
    if (++count > MOST_ENTRIES) refused(`It has more than ${MOST_ENTRIES} entries. Unpack it and import the folder.`)
    if (plainBytes > MOST_PLAIN_BYTES) refused('It claims more than 1 TiB of files.')
    if (plainBytes > FREE_BYTES + archiveBytes * MOST_RATIO)
      refused(`It claims ${plainBytes} bytes of files in ${archiveBytes} bytes. Unpack it and import the folder.`)
  }

  return {
    add({ path: written, modifiedMs, losses = [], what }) {
      bound(what.kind === 'file' ? what.sizeBytes : 0)
      const path = written.replace(/^(\.\/+)+/, '').replace(/\/+$/, '')
      if (path === '' || path === '.') return
      const fault = pathFault(path, target)
      if (fault !== undefined) return refuse(written, fault)
      if (what.kind === 'refused') return refuse(path, what.reason)
      const names = path.split('/')
      const name = names.pop() ?? ''
      const parent = parentOf(path, names)
      if (parent === undefined) return
      const key = nameKey(name, target)
      const known = parent.children.get(key)
      if (known !== undefined && known.name !== name)
        return refuse(path, twinFault(path.slice(0, -name.length) + known.name))
      if (what.kind === 'folder') {
        if (known?.file !== undefined) return refuse(path, 'twice in the archive')
        if (known !== undefined) known.modifiedMs = modifiedMs
        else parent.children.set(key, { name, file: undefined, modifiedMs, children: new Map() })
        return
      }
      if (known !== undefined) return refuse(path, 'twice in the archive')
      const file = sourceEntry(path, modifiedMs, what)
      if (typeof file === 'string') return refuse(path, file)
      parent.children.set(key, { name, file, modifiedMs, children: new Map() })
      inOrder.push(file)
      survey.see({ kind: 'entry', entry: file.entry, losses })
    },
    finish(order) {
      const empty: SourceEntry[] = []
      const visit = (node: Node, path: string): void => {
        for (const child of node.children.values()) {
          const at = path === '' ? child.name : `${path}/${child.name}`
          if (child.file !== undefined) continue
          if (child.children.size > 0) visit(child, at)
          else empty.push({ entry: { kind: 'folder', path: at, modifiedMs: child.modifiedMs } })
        }
      }
      visit(root, '')
      for (const { entry } of empty) survey.see({ kind: 'entry', entry, losses: [] })
      const entries = [...inOrder, ...empty]
      if (order === 'path') entries.sort((a, b) => comparePaths(a.entry.path, b.entry.path))
      return { survey: survey.result(), entries }
    },
  }

  function sourceEntry(
    path: string,
    modifiedMs: number,
    what: Exclude<ArchiveEntry['what'], { kind: 'folder' | 'refused' }>,
  ): SourceEntry | string {
    if (what.kind === 'symlink') {
      const fault = symlinkFault(what.target)
      return fault ?? { entry: { kind: 'symlink', path, modifiedMs, target: what.target } }
    }
    if (what.kind === 'link') {
      const names = what.target.replace(/^(\.\/+)+/, '').split('/')
      let node: Node | undefined = root
      for (const name of names) node = node?.children.get(nameKey(name, target))
      const file = node?.file
      if (file?.entry.kind !== 'file')
        return `a hard link to ${JSON.stringify(what.target)}, which is no file before it`
      bound(file.entry.sizeBytes)
      const bytes: FileBytes | undefined =
        file.bytes?.kind === 'stream' ? { kind: 'same', path: file.entry.path } : file.bytes
      return { entry: { ...file.entry, path, modifiedMs }, ...(bytes === undefined ? {} : { bytes }) }
    }
    const { sizeBytes, executable, bytes } = what
    const entry = { kind: 'file', path, modifiedMs, sizeBytes, executable, stamp: '' } as const
    return sizeBytes === 0 ? { entry } : { entry, bytes }
  }
}
