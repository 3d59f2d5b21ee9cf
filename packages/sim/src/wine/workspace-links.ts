/**
 * Loaded by Node for Windows when it runs under Wine, before the agent: on Windows the packages of this workspace are
 * found through junctions, which Wine does not have; it shows the links of the file system as folders, and Node strips
 * no types from what seems to lie below `node_modules`.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

const packages = new URL('../../../', import.meta.url)

registerHooks({
  resolve(specifier, context, next) {
    const [, name, entry = ''] = /^@sluice\/([a-z]+)(\/.*)?$/.exec(specifier) ?? []
    if (name === undefined) return next(specifier, context)
    const { exports } = JSON.parse(readFileSync(new URL(`${name}/package.json`, packages), 'utf8'))
    return { url: new URL(`${name}/${exports[`.${entry}`]}`, packages).href, shortCircuit: true }
  },
})
