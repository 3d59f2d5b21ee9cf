/** Who this agent is and what it can do, as it tells the site. */
import type { AgentInfo } from '@sluice/protocol'
import manifest from '../package.json' with { type: 'json' }

export const agentInfo: AgentInfo = { version: manifest.version, capabilities: ['frames/1', 'steps/1'] }
