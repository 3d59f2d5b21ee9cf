/** `host:port` of a gateway's link listener; an IPv6 address stands in brackets. */

export function hostOf(linkAddress: string): string {
  return linkAddress.slice(0, linkAddress.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1')
}

export function portOf(linkAddress: string): number {
  return Number(linkAddress.slice(linkAddress.lastIndexOf(':') + 1))
}
