/** `npm run bench`: how fast it is, beside the tools of others. See `docs/benchmarks/README.md`. */
import { benchMain } from '../src/bench/main.ts'

process.exit(await benchMain(process.argv.slice(2)))
