/** A process of its own that commits numbers until it is killed, and prints each when its commit was acknowledged. */
import { openDatabase } from '../database.ts'

const path = process.argv[2]
if (path === undefined) throw new Error('usage: writer <file>')
const opened = await openDatabase({ kind: 'sqlite', path })
if (!opened.ok) throw new Error(opened.problem.detail)
for (let n = 1; ; n++) {
  await opened.value.transaction().execute(async (trx) => {
    await trx
      .insertInto('counters')
      .values({ name: `a ${n}`, value: n })
      .execute()
    await trx
      .insertInto('counters')
      .values({ name: `b ${n}`, value: n })
      .execute()
  })
  process.stdout.write(`${n}\n`)
}
