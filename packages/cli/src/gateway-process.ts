/** Runs the program of the gateway on this machine: joining happens where the gateway will be, beside no site. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../gateway/bin/sluice-gateway.ts', import.meta.url))

/** @returns its exit code; its output is ours */
export function runGatewayProgram(args: readonly string[], signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: 'inherit' })
    const end = () => child.kill('SIGTERM')
    signal.addEventListener('abort', end)
    child.once('error', reject)
    child.once('exit', (code) => {
      signal.removeEventListener('abort', end)
      resolve(code ?? 1)
    })
  })
}
