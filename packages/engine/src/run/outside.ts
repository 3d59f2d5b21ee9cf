/**
 * Values from outside the sequence, by precedence: a variable of the device counts before an input of the
 * deployment, and that before a variable of a collection. What the sequence itself sets at the start is below all.
 */
import type { PolicyVariable, Sequence } from '@sluice/protocol'

export interface OutsideValues {
  /** By name as given: what the deployment says, and what meets a declared input. To be checked. */
  inputs: Record<string, string>
  /** Variables of the device and its collections that the sequence does not declare: they are for other sequences too. */
  others: (readonly [name: string, value: string])[]
}

/** @param variables each name once */
export function fromOutside(
  sequence: Pick<Sequence, 'inputs'>,
  inputs: Readonly<Record<string, string>>,
  variables: readonly PolicyVariable[],
): OutsideValues {
  const declared = new Set(sequence.inputs.map(({ variable }) => variable.toLowerCase()))
  const byDevice = new Set(variables.flatMap(({ name, level }) => (level === 'device' ? name.toLowerCase() : [])))
  const ofDeployment = Object.entries(inputs).filter(([name]) => !byDevice.has(name.toLowerCase()))
  const byDeployment = new Set(ofDeployment.map(([name]) => name.toLowerCase()))
  const counting = variables.filter(({ name }) => !byDeployment.has(name.toLowerCase()))
  const pairs = counting.map(({ name, value }) => [name, value] as const)
  const isDeclared = ([name]: readonly [string, string]) => declared.has(name.toLowerCase())
  return {
    inputs: Object.fromEntries([...ofDeployment, ...pairs.filter(isDeclared)]),
    others: pairs.filter((pair) => !isDeclared(pair)),
  }
}
