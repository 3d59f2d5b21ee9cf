/** A computer as a site sees it: a key, facts, and what it says of itself. */
import { request } from 'node:https'
import 'reflect-metadata'
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509'
import {
  type DeviceFacts,
  deviceRoutes,
  EnrolmentAnswer,
  type EnrolmentBundle,
  type EnrolmentRequest,
  type StatusEvent,
  type StatusRequest,
} from '@sluice/protocol'
import { createHttpsFetch } from '../connect/https-fetch.ts'

const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

export const someFacts: DeviceFacts = {
  hostname: 'laptop-7',
  platform: 'linux',
  architecture: 'x64',
  manufacturer: 'Lodestar',
  model: 'M1',
  serialNumber: '7',
  os: { id: 'debian', name: 'Debian 12', version: '12' },
  memoryBytes: 1,
  processorMHz: 1,
}

/** Both as PEM. */
export interface DeviceKey {
  csr: string
  key: string
}

export async function makeDeviceKey(): Promise<DeviceKey> {
  const keys = await crypto.subtle.generateKey(signingAlgorithm, true, ['sign', 'verify'])
  const bytes = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    csr: (await Pkcs10CertificateRequestGenerator.create({ keys, signingAlgorithm })).toString('pem'),
    key: `-----BEGIN PRIVATE KEY-----\n${bytes}\n-----END PRIVATE KEY-----\n`,
  }
}

/** Asks the first gateway of a bundle to be let in, with the token that is in it. */
export async function enrol(bundle: EnrolmentBundle, { csr }: DeviceKey, facts = someFacts): Promise<EnrolmentAnswer> {
  const body: EnrolmentRequest = {
    ...{ csr, sealKey: Buffer.alloc(32, 1).toString('base64'), facts },
    agent: { version: '0.1.0', capabilities: [] },
    ...(bundle.token === undefined ? {} : { token: bundle.token }),
  }
  const https = createHttpsFetch({ authority: bundle.gatewayAuthority })
  try {
    const answer = await https.fetch(new URL(deviceRoutes.enrol.path, bundle.gateways[0]?.enrolmentUrl), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const text = await answer.text()
    if (answer.status !== 200) throw new Error(text)
    return EnrolmentAnswer.parse(JSON.parse(text))
  } finally {
    https.close()
  }
}

/** Says the first thing of a boot, as a device that was let in. @returns the status of the answer */
export function report(
  bundle: EnrolmentBundle,
  proof: { key: string; certificate: string },
  event: StatusEvent,
): Promise<number | undefined> {
  const body: StatusRequest = { messages: [{ bootId: 'one-boot', seq: 1, at: new Date().toISOString(), event }] }
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
  const url = new URL(deviceRoutes.status.path, bundle.gateways[0]?.deviceUrl)
  request(url, {
    ...{ method: 'POST', agent: false, ca: bundle.gatewayAuthority, key: proof.key, cert: proof.certificate },
    headers: { 'content-type': 'application/json' },
  })
    .on('response', (answer) => resolve(answer.resume().statusCode))
    .on('error', reject)
    .end(JSON.stringify(body))
  return promise
}
