import { done, type StepKind } from './step-kind.ts'

/** First the facts of the device become variables, then every rule that holds sets its own (configmgr-behaviour §3.7). */
export const setDynamicVariables: StepKind<'setDynamicVariables'> = {
  fetches: () => false,
  async prepare(step, { environment, host, decide, note }) {
    const facts = await host.facts()
    const machine = await host.machine()
    const found: Record<string, string> = {
      _SMSTSMake: facts.manufacturer,
      _SMSTSModel: facts.model,
      _SMSTSSerialNumber: facts.serialNumber,
      _SMSTSAssetTag: machine.assetTag ?? '',
      _SMSTSUUID: machine.uuid ?? '',
      _SMSTSMacAddresses: machine.macAddresses.join(','),
      _SMSTSIPAddresses: machine.ipAddresses.join(','),
      _SMSTSDefaultGateways: machine.defaultGateways.join(','),
    }
    for (const [name, value] of Object.entries(found)) environment.setOwn(name, value)
    for (const [index, { when, variables }] of step.rules.entries()) {
      if (when !== undefined) {
        const { result, trace, failure } = await decide(when)
        note(`Rule ${index + 1}: ${trace}${failure === undefined ? '' : ` (could not be decided: ${failure})`}`)
        if (!result) continue
      }
      for (const { variable, value, hidden } of variables) {
        const expanded = environment.expand(value)
        if (!expanded.ok) return done(expanded.problem)
        const refused = environment.set(variable, expanded.value.value, hidden === true || expanded.value.hidden)
        if (refused !== undefined) return done(refused)
      }
    }
    return done()
  },
}
