/** Figures of a gateway in the form of Prometheus. No label says who somebody is: devices are many and private. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export interface Metrics {
  /** One request was answered, or given up by who asked. */
  observe(listener: string, route: string, status: number, seconds: number): void
  /** In the text form. */
  text(): Promise<string>
  contentType: string
}

/** What is read when somebody asks for the figures. */
export interface Readings {
  connections(): Record<string, number>
  links(): Record<string, number>
  listeningDevices(): number
  servedBytes(): Record<string, number>
  /** Seconds since 1970. */
  certificateEnd(): number
  /** In a row. */
  acmeFailures(): number
}

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** @param ofProcess also memory, processor and event loop of this process */
export function createMetrics(readings: Readings, { ofProcess }: { ofProcess: boolean }): Metrics {
  const register = new Registry()
  const registers = [register]
  const requests = new Counter({
    name: 'sluice_gateway_requests_total',
    help: 'Requests by listener, route and status; route "none" is what no route was found for',
    labelNames: ['listener', 'route', 'status'],
    registers,
  })
  const durations = new Histogram({
    name: 'sluice_gateway_request_seconds',
    help: 'From the headers of a request to the end of its answer',
    labelNames: ['listener', 'route'],
    buckets: BUCKETS,
    registers,
  })
  const gauge = (name: string, help: string, label: string, read: () => Record<string, number>) =>
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        for (const [key, value] of Object.entries(read())) this.set({ [label]: key }, value)
      },
    })
  const single = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  gauge('sluice_gateway_connections', 'Connections of devices by listener', 'listener', readings.connections)
  gauge('sluice_gateway_links', 'Connections of the site by kind', 'connection', readings.links)
  gauge('sluice_gateway_served_bytes', 'Bytes of objects sent since the start', 'kind', readings.servedBytes)
  single('sluice_gateway_listening_devices', 'Devices that listen for notices', readings.listeningDevices)
  single('sluice_gateway_certificate_end_seconds', 'When the certificate ends, since 1970', readings.certificateEnd)
  single('sluice_gateway_acme_failures', 'Orders to the ACME authority that failed in a row', readings.acmeFailures)
  if (ofProcess) collectDefaultMetrics({ register })

  /** The figures of one combination of labels, which are few: looking them up costs more than counting. */
  const known = new Map<string, { count: Counter.Internal; duration: Histogram.Internal<'listener' | 'route'> }>()
  function figuresOf(listener: string, route: string, status: number) {
    const key = `${listener} ${route} ${status}`
    const figures = known.get(key) ?? {
      count: requests.labels({ listener, route, status: String(status) }),
      duration: durations.labels({ listener, route }),
    }
    known.set(key, figures)
    return figures
  }

  return {
    observe(listener, route, status, seconds) {
      const { count, duration } = figuresOf(listener, route, status)
      count.inc()
      duration.observe(seconds)
    },
    text: () => register.metrics(),
    contentType: register.contentType,
  }
}
