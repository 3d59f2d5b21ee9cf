/** A failure of SQLite, brought over from its thread. */
export class SqliteError extends Error {
  /** Extended result code (sqlite.org/rescode.html). */
  readonly errcode: number | undefined
  constructor(message: string, errcode: number | undefined) {
    super(message)
    this.name = 'SqliteError'
    this.errcode = errcode
  }
}
