/** The index of a flat apt repository, `Packages`: which versions it offers and in which files. */
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface OfferedPackage {
  name: string
  version: string
  /** As in `amd64`, or `all`. */
  architecture: string
  /** Relative to the folder of the repository. */
  file: string
}

/** Reads the uncompressed index, a few megabytes at most; streamed. */
export async function readRepository(folder: string): Promise<OfferedPackage[]> {
  const packages: OfferedPackage[] = []
  let fields: Record<string, string> = {}
  const end = () => {
    const { Package: name, Version: version, Architecture: architecture = 'all', Filename: file } = fields
    if (name !== undefined && version !== undefined && file !== undefined)
      packages.push({ name, version, architecture, file })
    fields = {}
  }
  for await (const line of createInterface({ input: createReadStream(join(folder, 'Packages')) })) {
    const [, field, value] = /^(Package|Version|Architecture|Filename): *(.*)$/.exec(line) ?? []
    if (field !== undefined && value !== undefined) fields[field] = value
    else if (line === '') end()
  }
  end()
  return packages
}
