/** Tables of the area *gateways*. */
// biome-ignore lint/suspicious/noEmptyInterface: its tables come with the area
export interface GatewaysTables {}
