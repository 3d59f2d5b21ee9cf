/** How often a scenario is repeated: a few times in `npm test`, the full count in `npm run soak`. */
export const repetitions = (inTests: number, inSoak: number): number =>
  process.env.SLUICE_SOAK === '1' ? inSoak : inTests
