/** Something on this side that the operator can mend: an option, a file, a folder. Its message is all there is to say. */
export class LocalFailure extends Error {}

export function failLocally(message: string): never {
  throw new LocalFailure(message)
}
