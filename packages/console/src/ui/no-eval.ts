/**
 * Imported first by every page. The pages forbid `eval` by their Content-Security-Policy; zod would
 * try it once, catch the refusal and go on, but the browser reports that try as a violation. Read
 * by zod when its first schema is made (its own `config({ jitless: true })` sets the same object,
 * which would be too late after an import of the protocol's schemas).
 */
Object.assign(globalThis, { __zod_globalConfig: { jitless: true } })
