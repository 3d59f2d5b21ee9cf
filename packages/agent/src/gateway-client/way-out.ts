/** What lies between the device and its gateways: a proxy, and authorities of the organisation's own. */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { failed, ok, type ProxySettings, problem, type Result } from '@sluice/protocol'

export interface WayOut {
  /** PEM of authorities that are trusted besides the site's own. */
  authorities: string[]
  /** Address with name and password, where there are any; never logged. */
  proxyUrl?: string | undefined
}

/** Reads the files. `CONFIGURATION_INVALID` names the one that cannot be used. */
export async function readWayOut(config: {
  gatewayAuthorities: readonly string[]
  proxy?: ProxySettings | undefined
}): Promise<Result<WayOut>> {
  let reading = ''
  try {
    const authorities: string[] = []
    for (reading of config.gatewayAuthorities) {
      const pem = await readFile(reading, 'utf8')
      new X509Certificate(pem)
      authorities.push(pem)
    }
    if (config.proxy === undefined) return ok({ authorities })
    const url = new URL(config.proxy.url)
    if (config.proxy.credentialsFile !== undefined) {
      reading = config.proxy.credentialsFile
      const [, name, password] = /^([!-~][ -~]*?):([ -~]*)$/.exec((await readFile(reading, 'utf8')).trim()) ?? []
      if (name === undefined || password === undefined) throw new Error('it does not hold one line name:password')
      url.username = encodeURIComponent(name)
      url.password = encodeURIComponent(password)
    }
    return ok({ authorities, proxyUrl: url.href })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    return failed(problem('CONFIGURATION_INVALID', `${reading}: ${why}`))
  }
}
