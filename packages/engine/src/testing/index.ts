export * from './manual-host.ts'
export * from './whole-run.ts'
