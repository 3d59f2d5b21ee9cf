/** The agent for those who put whole systems together in one process; on a device it is `bin/sluice-agent.ts`. */
export { type Agent, type AgentOptions, type AgentReady, createAgent } from './agent.ts'
export { AgentConfig } from './config.ts'
export { createRuns } from './run/create-runs.ts'
export type { CreateRuns, Runs } from './run/runs.ts'
