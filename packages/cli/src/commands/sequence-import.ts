/** Sequences of Configuration Manager and the Microsoft Deployment Toolkit, in and out; needs no site. */
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  exportSequence,
  type Finding,
  formatDetail,
  importSequences,
  parseSequence,
  type SequenceImport,
  writeSequenceFile,
} from '@sluice/engine'
import { PackageId, ProblemError, SequenceId } from '@sluice/protocol'
import { type Command, CommanderError, InvalidArgumentError } from 'commander'
import { failLocally } from '../local-failure.ts'
import type { Session } from '../run.ts'
import { secretLine, storeSecrets, toldSecrets } from '../sequences/found-secrets.ts'
import { readSequenceDocuments } from '../sequences/sequence-documents.ts'
import { readBounded } from '../sequences/sequence-source.ts'
import { table } from '../terminal/text.ts'

interface Mapped {
  packages: Map<string, PackageId>
  sequences: Map<string, SequenceId>
}

interface ImportOptions {
  dryRun?: boolean
  out?: string
  name?: string
  map?: Mapped
  secrets?: boolean
}

export function addSequenceImportCommands(group: Command, session: Session): void {
  group
    .command('import')
    .description('turns exported task sequences into files that can be edited and applied; needs no site')
    .argument('<file...>', 'ts.xml, object.xml or another XML file with sequences, or an export as .zip')
    .option('--dry-run', 'only tell what is in them and what would run')
    .option('--out <path>', 'file to write, or folder when there are several sequences')
    .option('--name <name>', 'name of the sequence, when the file does not say it')
    .option(
      '--map <old=new>',
      'package or sequence here that stands for one of the file; may be given several times',
      mappedPair,
    )
    .option('--secrets', 'make what stands there in clear text secrets of the site, under the names that are told')
    .action(async (files: string[], options: ImportOptions): Promise<void> => {
      const { documents, packageNames, programs, warnings } = await readSequenceDocuments(files)
      const read = importSequences({
        documents: documents.map((each) => ({ ...each, name: options.name ?? each.name })),
        packageNames,
        programs,
        packages: options.map?.packages ?? new Map(),
        calledSequences: options.map?.sequences ?? new Map(),
      })
      read.problems.push(...warnings.map((message): Finding => ({ kind: 'changed', severity: 'warning', message })))
      const usable = read.problems.every(({ severity }) => severity !== 'error')
      const acts = usable && options.dryRun !== true
      const secrets =
        acts && options.secrets === true && read.secrets.length > 0
          ? await storeSecrets(await session.site(), read.secrets)
          : toldSecrets(read.secrets)
      const written = acts ? await write(read, options.out) : undefined
      const sequences = read.sequences.map(({ sequence: _, ...told }) => told)
      const { coverage, problems } = read
      const answer = { sequences, coverage, problems, secrets, ...(written === undefined ? {} : { files: written }) }
      session.out.result(answer, () => [...report(read, written), ...secrets.map(secretLine)])
      // Everything is told already: only the exit code is left to say.
      if (!usable) throw new CommanderError(1, 'sequence.import', 'The sequences cannot be used as they are.')
    })

  group
    .command('export')
    .description('writes a sequence file as XML that Configuration Manager imports; needs no site')
    .argument('<file>', 'YAML or JSON')
    .requiredOption('--out <file>', 'XML file to write')
    .action(async (file: string, options: { out: string }): Promise<void> => {
      const parsed = parseSequence({ file, text: await readBounded(file) })
      if (!parsed.ok) throw new ProblemError(parsed.problem)
      const { text, lost } = exportSequence(parsed.value.sequence)
      await create(options.out, text)
      session.out.result({ file: options.out, lost }, () => [
        ...lost.map(({ path, message }) => `Not in the XML: ${path}: ${message}`),
        `${options.out} holds ${parsed.value.sequence.name}.`,
      ])
    })
}

/** @returns the files, in the order of the sequences */
async function write({ sequences }: SequenceImport, out: string | undefined): Promise<string[]> {
  const names = sequences.map(
    ({ name }) =>
      `${
        name
          .replace(/[^\p{L}\p{N} ._()-]/gu, '_')
          .slice(0, 60)
          .trim() || 'sequence'
      }.yaml`,
  )
  const isFolder =
    sequences.length > 1 || (out !== undefined && (await stat(out).catch(() => undefined))?.isDirectory() === true)
  if (isFolder && out !== undefined) await mkdir(out, { recursive: true })
  const taken = new Set<string>()
  const files: string[] = []
  for (const [index, { sequence }] of sequences.entries()) {
    let name = names[index] ?? ''
    for (let number = 2; taken.has(name.toLowerCase()); number++)
      name = (names[index] ?? '').replace(/\.yaml$/, ` ${number}.yaml`)
    taken.add(name.toLowerCase())
    const file = isFolder ? join(out ?? '.', name) : (out ?? name)
    await create(file, writeSequenceFile(sequence))
    files.push(file)
  }
  return files
}

/** What a person wrote there is never lost. */
async function create(file: string, text: string): Promise<void> {
  await writeFile(file, text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST')
      failLocally(`${file} is there already; move it away, or choose another name with --out.`)
    throw error
  })
}

function report({ sequences, coverage, problems }: SequenceImport, written: string[] | undefined): string[] {
  const { steps, disabled, runsHere, runsOnWindows, notYet, never, kept, conditions, content } = coverage
  const count = (number: number, one: string): string => `${number} ${one}${number === 1 ? '' : 's'}`
  const lines = sequences.flatMap((one, index) => [
    `${one.name}`,
    `  ${count(one.steps, 'step')}, ${count(one.subSequences, 'call')} of other sequences, ${count(one.groups, 'group')}, ${count(one.conditions, 'condition')}, ${count(one.variables, 'variable')}`,
    `  ${one.runnable ? 'Devices would run it as it is.' : 'Devices refuse it as it is: what is listed below would have to be written, replaced or disabled.'}`,
    ...(written?.[index] === undefined ? [] : [`  Written to ${written[index]}`]),
  ])
  if (steps > 0)
    lines.push(
      '',
      `Of ${count(steps, 'step')} (${disabled} disabled): ${runsHere} run here, ${runsOnWindows} on Windows, ${notYet} are kept but not supported yet, ${never} are kept and never run over the internet.`,
      `Of ${count(conditions.decided + conditions.notYet, 'condition')}: ${conditions.decided} are decided here, ${conditions.notYet} not yet.`,
    )
  if (kept.length > 0)
    lines.push(
      '',
      ...table(
        ['STEPS', 'KEPT', 'WHY'],
        kept.map((each) => [each.count, each.step, each.why]),
      ),
    )
  const inTheWay = sequences.flatMap(({ obstacles }) =>
    obstacles.filter(({ why }) => !kept.some((one) => one.why === why)),
  )
  if (inTheWay.length > 0)
    lines.push(
      '',
      ...table(
        ['PLACE', 'STEP OR GROUP', 'WHAT HAS TO BE DONE'],
        inTheWay.map(({ path, name, why }) => [path, name, why]),
      ),
    )
  if (content.length > 0)
    lines.push(
      '',
      ...table(
        ['CONTENT', 'STATE', 'NAME'],
        content.map(({ id, state, mappedTo, name = '' }) => [id, states[state] + (mappedTo ?? ''), name]),
      ),
    )
  if (problems.length > 0) lines.push('', ...problems.map(problemLine))
  return lines
}

const states = { mapped: 'mapped to ', missing: 'missing', notNeeded: 'only in kept steps' }

function problemLine({ severity, place, path, message, sequence }: Finding): string {
  const where = path ?? (place === undefined ? (sequence ?? '') : '')
  return `${severity === 'error' ? 'Error' : 'Warning'}: ${formatDetail({ ...(place === undefined ? {} : { place }), path: where, message })}`
}

function mappedPair(text: string, before: Mapped = { packages: new Map(), sequences: new Map() }): Mapped {
  const split = text.indexOf('=')
  const [old, found] = [text.slice(0, Math.max(0, split)), text.slice(split + 1)]
  const packageId = PackageId.safeParse(found)
  const sequenceId = SequenceId.safeParse(found)
  if (old === '' || !(packageId.success || sequenceId.success))
    throw new InvalidArgumentError('Give old=new, as in PS100005=ABC00001; a sequence has an id such as seq_….')
  if (packageId.success) before.packages.set(old, packageId.data)
  if (sequenceId.success) before.sequences.set(old, sequenceId.data)
  return before
}
