/** Ports for the parts of one line. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { ProblemError, problem } from '@sluice/protocol'

export interface LinePorts {
  admin: number
  device: number
  enrolment: number
  link: number
  softwareCenter: number
}

const names = ['admin', 'device', 'enrolment', 'link', 'softwareCenter'] as const

/**
 * Five ports on loopback: from `base` upward, any free ones when `base` is 0, or just those given.
 * Throws `PORT_TAKEN` with the port, before anything is started.
 */
export async function linePorts(base: number | LinePorts): Promise<LinePorts> {
  const held: Server[] = []
  try {
    const ports: Partial<LinePorts> = {}
    for (const [i, name] of names.entries()) {
      const server =
        base === 0 ? await holdAny(name) : await hold(typeof base === 'object' ? base[name] : base + i, name)
      held.push(server)
      ports[name] = (server.address() as AddressInfo).port
    }
    return ports as LinePorts
  } finally {
    await Promise.all(held.map((server) => once(server.close(), 'close')))
  }
}

/**
 * A port that nobody gets by chance: below the range from which systems give ports to connections
 * that go out, since it is let go before the part that is to listen there takes it.
 */
async function holdAny(name: string): Promise<Server> {
  for (;;) {
    try {
      return await hold(12_000 + Math.floor(Math.random() * 20_000), name)
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
    }
  }
}

async function hold(port: number, name: string): Promise<Server> {
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return server
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'EADDRINUSE' || error.code === 'EACCES'))
      throw new ProblemError(
        problem(
          'PORT_TAKEN',
          `Port ${port} on 127.0.0.1, for ${name}, is taken. Choose others with --base-port <first>.`,
        ),
      )
    throw error
  }
}
