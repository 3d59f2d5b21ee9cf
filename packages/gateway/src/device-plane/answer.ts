/** Answers of the gateway itself. They say nothing about it: no version, no name. */
import type { ServerResponse } from 'node:http'
import { type Problem, problems } from '@sluice/protocol'

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  send(response, status, 'application/json', JSON.stringify(body))
}

/**
 * Sends a problem with the status of its code.
 * @param more.close ends the connection afterwards: its state is unknown, or its owner is
 */
export function sendProblem(response: ServerResponse, reason: Problem, more: { close?: boolean } = {}): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  if (reason.retryAfterMs !== undefined)
    response.setHeader('retry-after', String(Math.max(1, Math.ceil(reason.retryAfterMs / 1000))))
  if (more.close === true) response.setHeader('connection', 'close')
  send(response, problems[reason.code].status, 'application/problem+json', JSON.stringify(reason))
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  sendWhole(response, status, contentType, Buffer.from(body))
}

const SMALL_BYTES = 16 * 1024

/** An answer that is there whole: its head and its body leave in one piece. */
export function sendWhole(response: ServerResponse, status: number, contentType: string, body: Uint8Array): void {
  if (response.destroyed) return
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': body.length,
    'cache-control': 'no-store',
  })
  // As text of one byte a letter, a small body leaves in the same write as its head, whatever its bytes are.
  if (body.length <= SMALL_BYTES)
    response.end(Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1'), 'latin1')
  else response.end(body)
}
