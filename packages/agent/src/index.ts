/** The agent for those who put whole systems together in one process; on a device it is `bin/sluice-agent.ts`. */
export { type Agent, type AgentOptions, type AgentReady, createAgent } from './agent.ts'
export { AgentConfig } from './config.ts'
export { type MeasuredDownload, measureDownload } from './download/measure.ts'
export { createRuns } from './run/create-runs.ts'
export { type JournalledRun, type JournalledRunOptions, journalledRun } from './run/journalled-run.ts'
export type { AcceptedDeployment, CreateRuns, RunParts, Runs } from './run/runs.ts'
