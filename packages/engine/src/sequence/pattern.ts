/**
 * Patterns for inputs: a subset of regular expressions that is matched without going back, so no
 * pattern and no value can make it slow. What cannot be matched that way (references to groups,
 * looking around) is refused, with the reason.
 *
 * P1. A pattern always matches the whole value.
 * P2. Matching takes at most (characters of the value) × (size of the program) steps, and a
 *     program has at most `MAX_PROGRAM` instructions.
 */
import { failed, ok, problem, type Result } from '@sluice/protocol'

const MAX_PROGRAM = 2_000

export interface Pattern {
  /** P1 */
  matches(value: string): boolean
}

type Test = (character: string) => boolean
type Tree =
  | { kind: 'character'; test: Test }
  | { kind: 'row'; parts: Tree[] }
  | { kind: 'choice'; branches: Tree[] }
  | { kind: 'repeat'; part: Tree; least: number; most: number }

/** `SEQUENCE_INVALID` says what of the pattern is not supported and where. */
export function compilePattern(text: string): Result<Pattern> {
  try {
    const program: Instruction[] = []
    emit(new PatternReader(text).read(), program)
    program.push({ kind: 'done' })
    return ok({ matches: (value) => run(program, value) })
  } catch (error) {
    if (error instanceof PatternFault) return failed(problem('SEQUENCE_INVALID', error.message))
    throw error
  }
}

class PatternFault extends Error {}

/** pattern = branch { "|" branch }; branch = { atom [ "*" | "+" | "?" | "{n,m}" ] } */
class PatternReader {
  readonly #signs: string[]
  #at = 0

  constructor(text: string) {
    this.#signs = Array.from(text.replace(/^\^/, '').replace(/(?<!\\)\$$/, ''))
  }

  read(): Tree {
    const tree = this.#choice()
    if (this.#at < this.#signs.length) this.#fault('")" without "("')
    return tree
  }

  #choice(): Tree {
    const branches = [this.#row()]
    while (this.#take('|')) branches.push(this.#row())
    return branches.length === 1 && branches[0] ? branches[0] : { kind: 'choice', branches }
  }

  #row(): Tree {
    const parts: Tree[] = []
    while (this.#at < this.#signs.length && this.#next() !== '|' && this.#next() !== ')') parts.push(this.#repeated())
    return { kind: 'row', parts }
  }

  #repeated(): Tree {
    const part = this.#atom()
    if (this.#take('*')) return { kind: 'repeat', part, least: 0, most: Number.POSITIVE_INFINITY }
    if (this.#take('+')) return { kind: 'repeat', part, least: 1, most: Number.POSITIVE_INFINITY }
    if (this.#take('?')) return { kind: 'repeat', part, least: 0, most: 1 }
    if (!this.#take('{')) return part
    const least = this.#number()
    const most = this.#take(',') ? (this.#next() === '}' ? Number.POSITIVE_INFINITY : this.#number()) : least
    if (!this.#take('}') || most < least) this.#fault('a count such as {2}, {2,} or {2,5} is not complete')
    return { kind: 'repeat', part, least, most }
  }

  #atom(): Tree {
    const sign = this.#signs[this.#at++] ?? ''
    if (sign === '(') {
      if (this.#take('?') && !this.#take(':')) this.#fault('only groups without names and conditions are supported')
      const inside = this.#choice()
      if (!this.#take(')')) this.#fault('"(" without ")"')
      return inside
    }
    if (sign === '[') return { kind: 'character', test: this.#set() }
    if (sign === '.') return { kind: 'character', test: (c) => c !== '\n' && c !== '\r' }
    if (sign === '\\') return { kind: 'character', test: this.#escape().test }
    if ('*+?{}^$'.includes(sign))
      this.#fault(`"${sign}" has nothing to refer to here; write \\${sign} for the sign itself`)
    return { kind: 'character', test: (c) => c === sign }
  }

  #set(): Test {
    const not = this.#take('^')
    const tests: Test[] = []
    while (!this.#take(']')) {
      if (this.#at >= this.#signs.length) this.#fault('"[" without "]"')
      const first = this.#setMember()
      if (this.#next() === '-' && this.#signs[this.#at + 1] !== ']') {
        this.#at++
        const last = this.#setMember()
        if (first.sign === undefined || last.sign === undefined || first.sign > last.sign)
          this.#fault('a range such as a-z is not right')
        const [low, high] = [first.sign ?? '', last.sign ?? '']
        tests.push((c) => c >= low && c <= high)
      } else tests.push(first.test)
    }
    return (c) => tests.some((test) => test(c)) !== not
  }

  #setMember(): { sign?: string; test: Test } {
    const sign = this.#signs[this.#at++] ?? ''
    return sign === '\\' ? this.#escape() : { sign, test: (c) => c === sign }
  }

  #escape(): { sign?: string; test: Test } {
    const sign = this.#signs[this.#at++] ?? ''
    const kind = { d: /[0-9]/, w: /[A-Za-z0-9_]/, s: /\s/ }[sign.toLowerCase()]
    if (kind !== undefined) {
      const plain = sign === sign.toLowerCase()
      return { test: (c) => kind.test(c) === plain }
    }
    if (sign === '' || /[A-Za-z0-9]/.test(sign)) this.#fault(`"\\${sign}" is not supported`)
    return { sign, test: (c) => c === sign }
  }

  #number(): number {
    let digits = ''
    while (/^[0-9]$/.test(this.#next())) digits += this.#signs[this.#at++]
    if (digits === '' || digits.length > 4) this.#fault('a count has one to four digits')
    return Number(digits)
  }

  #next(): string {
    return this.#signs[this.#at] ?? ''
  }

  #take(sign: string): boolean {
    const taken = this.#next() === sign
    if (taken) this.#at++
    return taken
  }

  #fault(what: string): never {
    throw new PatternFault(`${what} (at character ${this.#at} of the pattern)`)
  }
}

type Instruction =
  | { kind: 'character'; test: Test }
  /** Goes on at each of these. */
  | { kind: 'fork'; to: number[] }
  | { kind: 'done' }

function emit(tree: Tree, program: Instruction[]): void {
  if (program.length > MAX_PROGRAM)
    throw new PatternFault('the pattern is too large; use maxLength instead of a large count')
  switch (tree.kind) {
    case 'character':
      program.push({ kind: 'character', test: tree.test })
      return
    case 'row':
      for (const part of tree.parts) emit(part, program)
      // An empty row takes one instruction too: P2 then also bounds the building of a program.
      if (tree.parts.length === 0) program.push({ kind: 'fork', to: [program.length + 1] })
      return
    case 'choice': {
      const fork: number[] = []
      program.push({ kind: 'fork', to: fork })
      const ends: number[][] = []
      for (const branch of tree.branches) {
        fork.push(program.length)
        emit(branch, program)
        const end: number[] = []
        ends.push(end)
        program.push({ kind: 'fork', to: end })
      }
      for (const end of ends) end.push(program.length)
      return
    }
    case 'repeat': {
      for (let count = 0; count < tree.least; count++) emit(tree.part, program)
      if (tree.most === Number.POSITIVE_INFINITY) {
        const loop: number[] = []
        const start = program.push({ kind: 'fork', to: loop }) - 1
        loop.push(program.length)
        emit(tree.part, program)
        program.push({ kind: 'fork', to: [start] })
        loop.push(program.length)
        return
      }
      const skips: number[][] = []
      for (let count = tree.least; count < tree.most; count++) {
        const skip: number[] = [program.length + 1]
        program.push({ kind: 'fork', to: skip })
        skips.push(skip)
        emit(tree.part, program)
      }
      for (const skip of skips) skip.push(program.length)
    }
  }
}

/** Keeps every place that the characters so far can have led to. P2 */
function run(program: Instruction[], value: string): boolean {
  let places = spread([0], program)
  for (const character of value) {
    const next: number[] = []
    for (const place of places) {
      const instruction = program[place]
      if (instruction?.kind === 'character' && instruction.test(character)) next.push(place + 1)
    }
    if (next.length === 0) return false
    places = spread(next, program)
  }
  return places.has(program.length - 1)
}

function spread(from: number[], program: Instruction[]): Set<number> {
  const places = new Set<number>()
  const waiting = [...from]
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
    if (places.has(place)) continue
    places.add(place)
    const instruction = program[place]
    if (instruction?.kind === 'fork') waiting.push(...instruction.to)
  }
  return places
}
