/** Storage for tests, run as processes of their own. */
export * from './azurite.ts'
export * from './fragile-line.ts'
export * from './swift.ts'
export * from './tls-front.ts'
