/** One more gateway of a site, in this process: it joins with a code and has one port for everything. */
import { createGateway, type Gateway, type GatewayOptions, joinSite, readGatewayConfig } from '@sluice/gateway'
import { type AdminClient, type GatewayId, silentLog } from '@sluice/protocol'
import { linkUp, must } from '../administrator.ts'
import { linePorts } from '../ports.ts'

const JOIN_TIMEOUT_MS = 120_000

export interface AnotherGateway {
  id: GatewayId
  gateway: Gateway
}

/** @param options.use what it does otherwise than usual */
export async function startAnotherGateway(options: {
  admin: AdminClient
  resources: AsyncDisposableStack
  /** Is made. */
  folder: string
  name: string
  use?: Pick<GatewayOptions, 'urlLifeMs'>
}): Promise<AnotherGateway> {
  const { admin, resources, folder, name, use } = options
  const { device: port } = await linePorts(0)
  const url = `https://127.0.0.1:${port}`
  const { gatewayId: id, code } = must(
    await admin.call('createGateway', {
      body: {
        name,
        kind: 'internet',
        deviceUrl: url,
        enrolmentUrl: url,
        linkAddress: `127.0.0.1:${port}`,
      },
    }),
  )
  const signal = AbortSignal.timeout(JOIN_TIMEOUT_MS)
  const file = must(await joinSite({ code, folder, host: '127.0.0.1', log: silentLog, signal }))
  const read = must(await readGatewayConfig(file))
  const gateway = must(await createGateway({ ...read, ...use, log: silentLog }))
  resources.defer(() => gateway.stop())
  await linkUp(admin, id)
  return { id, gateway }
}
