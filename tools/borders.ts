/**
 * The borders between the packages (design of the parts; ARCHITECTURE.md has the picture). Fails
 * when a package imports one it may not know, reaches into another's files, or when the engine
 * takes time or chance from anywhere but its Host.
 */
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

const mayImport: Record<string, string[]> = {
  protocol: [],
  engine: ['protocol'],
  content: ['protocol'],
  site: ['protocol', 'engine', 'content'],
  gateway: ['protocol', 'content'],
  agent: ['protocol', 'engine', 'content'],
  console: ['protocol', 'engine'],
  cli: ['protocol', 'engine', 'content'],
  sim: ['protocol', 'engine', 'content', 'site', 'gateway', 'agent'],
}

/** What a package may not mention at all, and why. */
const forbidden: Record<string, { pattern: RegExp; why: string }[]> = {
  protocol: [{ pattern: /from 'node:/, why: 'the protocol runs anywhere' }],
  engine: [
    { pattern: /from 'node:/, why: 'the engine is pure: everything through Host' },
    { pattern: /\bDate\.now\(|\bnew Date\(\)/, why: 'time comes from Host.now()' },
    { pattern: /\bMath\.random\(|\brandomUUID\(/, why: 'the engine knows no chance' },
    { pattern: /\bfetch\(|\bsetTimeout\(|\bsetInterval\(/, why: 'the engine does nothing by itself' },
  ],
  gateway: [{ pattern: /from '(kysely|pg|node:sqlite)'/, why: 'nothing with SQL in the gateway' }],
  console: [{ pattern: /from 'node:/, why: 'browser only' }],
}

/** Every fault, as `file:line: message`. */
export async function borderFaults(): Promise<string[]> {
  const faults: string[] = []
  for (const name of await readdir(join(root, 'packages'))) {
    const allowed = mayImport[name]
    if (allowed === undefined) {
      faults.push(`packages/${name}: not in the table of borders`)
      continue
    }
    for (const file of await sources(join(root, 'packages', name))) {
      // Tests may bring the other side; browser tests run in Node.
      const isTest = /\.test\.tsx?$|\/testing\/|vite\.config\.ts$|\/console\/build\.ts$/.test(file)
      const lines = (await readFile(file, 'utf8')).split('\n')
      for (const [i, line] of lines.entries()) {
        const at = `${relative(root, file)}:${i + 1}`
        const imported = /(?:from|import)\s*\(?'([^']+)'/.exec(line)?.[1]
        if (imported?.startsWith('@sluice/')) {
          const other = imported.split('/')[1] as string
          if (other !== name && !allowed.includes(other) && !isTest)
            faults.push(`${at}: ${name} may not import ${other}`)
        }
        if (imported?.startsWith('.')) {
          const inside = resolve(dirname(file), imported).startsWith(join(root, 'packages', `${name}/`))
          if (!inside && !isTest) faults.push(`${at}: reaches into another package's files: ${imported}`)
        }
        if (isTest) continue
        for (const { pattern, why } of forbidden[name] ?? []) if (pattern.test(line)) faults.push(`${at}: ${why}`)
      }
    }
  }
  return faults
}

async function sources(folder: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && /\.tsx?$/.test(entry.name) && !/node_modules|\/dist\//.test(path)) found.push(path)
  }
  return found
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = await borderFaults()
  for (const fault of faults) console.error(fault)
  if (faults.length > 0) process.exit(1)
  console.log('borders: every package imports only what it may')
}
