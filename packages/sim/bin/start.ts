/** `npm start`: the whole line on this machine. See `docs/demo.md`. */
import { fileURLToPath } from 'node:url'
import { demoMain } from '../src/demo/main.ts'
import { chooseSystem } from '../src/demo/system.ts'

const folder = (once: boolean) => fileURLToPath(new URL(`../../../data/${once ? 'once' : 'demo'}`, import.meta.url))
process.exit(
  await demoMain(process.argv.slice(2), { folder, alwaysOnce: false, neededBytes: 600e6 }, () => chooseSystem()),
)
