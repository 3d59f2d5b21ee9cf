import { createHash, createPublicKey, verify } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import {
  type AuditChecks,
  AuditEntry,
  type AuditHead,
  AuditHeadLine,
  checkAudit,
  openAuditHead,
} from '@sluice/protocol'
import type { Command } from 'commander'
import { failLocally } from '../local-failure.ts'
import { readLocalFile } from '../local-file.ts'
import type { Session } from '../run.ts'
import { wholeNumber } from '../terminal/options.ts'
import { table } from '../terminal/text.ts'

const PAGE = 1_000
const MAX_HEAD_BYTES = 64 * 1024
/** DER of an Ed25519 public key up to its 32 bytes (RFC 8410). */
const ED25519_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

export function addAuditCommands(program: Command, session: Session): void {
  const group = program.command('audit').description('who changed what, provably')

  group
    .command('list', { isDefault: true })
    .description('lists the newest entries')
    .option('--count <number>', 'how many', wholeNumber(1, Number.MAX_SAFE_INTEGER), 50)
    .action(async ({ count }: { count: number }): Promise<void> => {
      const site = await session.site()
      const { seq } = readHead(JSON.stringify(await site.call('auditHead')), 'the answer of the site')
      const entries: AuditEntry[] = []
      for (let after = Math.max(0, seq - count); after < seq; after += PAGE) {
        const query = { after: String(after), limit: String(Math.min(PAGE, seq - after)) }
        const { lines } = await site.call('audit', { query })
        entries.push(...lines.map((line) => AuditEntry.parse(JSON.parse(line))))
      }
      session.out.result(entries, () =>
        table(
          ['ENTRY', 'AT', 'WHO', 'FROM', 'WHAT', 'ABOUT', 'OUTCOME'],
          entries.map((one) => [
            ...[String(one.seq), one.at, one.actor.name, one.from ?? ''],
            ...[one.action, one.subject ?? '', one.outcome],
          ]),
        ),
      )
    })

  group
    .command('export')
    .description('writes all entries and a signed head into a new file, one JSON a line')
    .argument('<file>', 'must not be there yet')
    .option('--after <number>', 'only what follows this entry', wholeNumber(0, Number.MAX_SAFE_INTEGER), 0)
    .action(async (path: string, options: { after: number }): Promise<void> => {
      const site = await session.site()
      const file = await open(path, 'wx', 0o600)
      try {
        // The head first: entries that come meanwhile are left to the next export.
        const head = await site.call('auditHead')
        const { seq: last } = readHead(JSON.stringify(head), 'the answer of the site')
        for (let after = options.after; after < last; ) {
          const { lines } = await site.call('audit', { query: { after: String(after) } })
          const wanted = lines.slice(0, last - after)
          if (wanted.length === 0) failLocally(`The site gave nothing after entry ${after}.`)
          await file.writeFile(wanted.map((line) => `${line}\n`).join(''))
          after += wanted.length
        }
        await file.writeFile(`${JSON.stringify(head)}\n`)
        await file.sync()
        session.out.result({ file: path, first: options.after + 1, last }, () => [
          `Wrote entries ${options.after + 1} to ${last} to ${path}.`,
        ])
      } finally {
        await file.close()
      }
    })

  group
    .command('head')
    .description('prints the signed head: keep it elsewhere, and later exports are held against it')
    .action(async (): Promise<void> => {
      const head = await (await session.site()).call('auditHead')
      session.out.result(head, () => [JSON.stringify(head)])
    })

  group
    .command('verify')
    .description('finds out whether an export is whole; needs no site')
    .argument('<file>', 'written by `sluice audit export`')
    .option('--head <file>', 'a head that was kept; several are possible', collect, [])
    .option('--key <base64>', 'public key that must have signed the head')
    .action(async (path: string, options: { head: string[]; key?: string }): Promise<void> => {
      const known: AuditHead[] = []
      for (const file of options.head) {
        known.push(readHead((await readLocalFile(file, MAX_HEAD_BYTES)).toString('utf8'), file))
      }
      const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })
      // Kept heads tell the key as well.
      const publicKey = options.key ?? known[0]?.publicKey
      const verdict = await checkAudit(lines, checks, { known, publicKey })
      if (!verdict.whole) failLocally(`${path}, line ${verdict.line}: ${verdict.fault}. The audit is not whole.`)
      else
        session.out.result(verdict, () => [
          `Whole: entries ${verdict.first} to ${verdict.last}, up to ${verdict.heads[0]?.at}.`,
          publicKey === undefined
            ? `Signed by ${verdict.heads[0]?.publicKey}: compare this key, or give it with --key.`
            : 'Signed by the key that you know.',
        ])
    })
}

const collect = (file: string, before: string[]): string[] => [...before, file]

const checks: AuditChecks = {
  hash: (text) => createHash('sha256').update(text, 'utf8').digest('hex'),
  decode: (base64) => Buffer.from(base64, 'base64'),
  verifies(publicKey, bytes, signature) {
    const raw = Buffer.from(publicKey, 'base64')
    if (raw.length !== 32) return false
    const key = createPublicKey({ key: Buffer.concat([ED25519_PREFIX, raw]), format: 'der', type: 'spki' })
    return verify(null, bytes, key, Buffer.from(signature, 'base64'))
  },
}

function readHead(text: string, where: string): AuditHead {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // said below
  }
  const line = AuditHeadLine.safeParse(value)
  const head = line.success ? openAuditHead(line.data.head, checks) : undefined
  return head ?? failLocally(`${where} is not a head of an audit with a right signature.`)
}
