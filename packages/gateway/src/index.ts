export { GatewayConfig, readGatewayConfig, type TlsMaterial } from './config.ts'
export { createGateway, type Gateway, type GatewayOptions, type GatewayPorts } from './gateway.ts'
export { type JoinOptions, joinSite } from './join.ts'
export { main } from './main.ts'
