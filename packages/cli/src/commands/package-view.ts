/** A package as it is shown, and where it is. */
import { labelsText, type PackageInfo, type ReleaseState } from '@sluice/protocol'
import type { PointNames } from '../connect/site.ts'
import type { Session } from '../run.ts'
import { fields, formatBytes } from '../terminal/text.ts'

export async function showPackage(session: Session, one: PackageInfo): Promise<void> {
  const names = await (await session.site()).pointNames()
  session.out.result(one, () => [
    ...fields([
      ['Package', one.id],
      ['Name', one.name],
      ['Kind', one.kind],
      ['Target', one.target],
      ['Version', one.version === 0 ? 'none yet' : one.version],
      ['State', releaseStateText(one)],
      ['Files', one.fileCount],
      ['Size', formatBytes(one.totalBytes)],
      ['Stored', `${formatBytes(one.storedBytes)} compressed and sealed`],
      ['Labels', one.labels === undefined ? undefined : labelsText(one.labels)],
    ]),
    ...one.losses.map((loss) => `Not carried: ${loss}`),
    ...distributionLines([one], names),
  ])
}

/** Where packages are, a line each. */
export function distributionLines(packages: readonly PackageInfo[], names: PointNames): string[] {
  return packages.flatMap((one) =>
    one.distribution.map(({ pointId, version, state, presentBytes, totalBytes, retriesLeft, problem }) => {
      const amount =
        state === 'installed'
          ? formatBytes(totalBytes)
          : `${formatBytes(presentBytes)} of ${formatBytes(totalBytes)} (${percent(presentBytes, totalBytes)})`
      return `${one.id} version ${version} on ${names.get(pointId) ?? pointId}: ${state}, ${amount}${state === 'retrying' && retriesLeft !== undefined ? `, ${retriesLeft} tries left` : ''}${problem === undefined ? '' : ` (${problem.code}: ${problem.detail})`}`
    }),
  )
}

/** `waiting for release (version 2)` */
export const releaseStateText = (one: { state: ReleaseState; waitingVersion?: number | undefined }): string =>
  one.state === 'waitingForRelease'
    ? `waiting for release${one.waitingVersion === undefined ? '' : ` (version ${one.waitingVersion})`}`
    : one.state

const percent = (done: number, all: number): string => `${all === 0 ? 100 : Math.floor((100 * done) / all)} %`
