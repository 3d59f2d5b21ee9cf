/** `npm run demo:debian`: the same line, with a real Debian 12 that becomes Debian 13. */
import { fileURLToPath } from 'node:url'
import { demoMain } from '../src/demo/main.ts'
import { debianSystem } from '../src/demo/system.ts'

const at = (name: string) => fileURLToPath(new URL(`../../../data/${name}`, import.meta.url))
process.exit(
  await demoMain(process.argv.slice(2), { folder: () => at('debian'), alwaysOnce: true, neededBytes: 2e9 }, () =>
    debianSystem(at('debian-cache'), (line) => process.stderr.write(`${line}\n`)),
  ),
)
