export { checkGateway, type GatewayCheck } from './check-gateway.ts'
export { failedHop, type Hop, hopLines, isFault, passedHop, skippedHop, warnedHop } from './hop.ts'
