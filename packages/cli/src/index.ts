export { main } from './main.ts'
export { type Environment, type RunOptions, run } from './run.ts'
