/**
 * The tables of the agent's state, as a plain list: a migration's number is its place in the list.
 * Migrations only add (design §3), so that an older agent can take over again until the new one
 * proved healthy. Published ones are never changed: add one at the end.
 */
export interface Migration {
  /** What it adds, for the log. */
  name: string
  sql: string
}

export const migrations: readonly Migration[] = [
  {
    name: 'settings, policy, evaluations and the outbox',
    sql: `
      CREATE TABLE setting (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;

      -- The last policy that was accepted: one row.
      CREATE TABLE policy (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        epoch INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        body_hash TEXT NOT NULL,
        -- DSSE envelopes as received, in JSON; verified again whenever they are loaded.
        head TEXT NOT NULL,
        body TEXT NOT NULL,
        -- Signed time of the head, milliseconds since 1970.
        signed_at INTEGER NOT NULL
      ) STRICT;

      -- What was last said to the site about a deployment.
      CREATE TABLE evaluation (
        deployment_id TEXT PRIMARY KEY,
        revision INTEGER NOT NULL,
        refusals TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;

      -- Status messages that the site has not acknowledged; id gives the order of sending.
      CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        boot_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        at TEXT NOT NULL,
        kind TEXT NOT NULL,
        event TEXT NOT NULL,
        UNIQUE (boot_id, seq)
      ) STRICT;

      -- Last sequence number used in each boot: numbers are never used twice, also after acknowledgement.
      CREATE TABLE outbox_sequence (
        boot_id TEXT PRIMARY KEY,
        last INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
    `,
  },
]
