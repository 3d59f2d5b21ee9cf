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
  {
    name: 'contents on this device, and runs',
    sql: `
      -- A content that is here or on its way here. The key opens its pages without asking the site.
      CREATE TABLE cache_content (
        content_id TEXT PRIMARY KEY,
        package_id TEXT NOT NULL,
        complete INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,
        -- Milliseconds since 1970.
        used_at INTEGER NOT NULL,
        package_key BLOB,
        layout_hash TEXT,
        layout_bytes INTEGER
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE cache_lease (
        run_id TEXT NOT NULL,
        content_id TEXT NOT NULL,
        PRIMARY KEY (run_id, content_id)
      ) STRICT, WITHOUT ROWID;

      -- Chunks of a page of a manifest that lie flushed in the incoming folder, a bit each.
      CREATE TABLE download_page (
        content_id TEXT NOT NULL,
        page INTEGER NOT NULL,
        chunks BLOB NOT NULL,
        PRIMARY KEY (content_id, page)
      ) STRICT, WITHOUT ROWID;

      -- At most one run has no report. Documents are JSON.
      CREATE TABLE run (
        run_id TEXT PRIMARY KEY,
        deployment_id TEXT NOT NULL,
        -- What was accepted when it began, and stays so for the run.
        accepted TEXT NOT NULL,
        -- Milliseconds since 1970.
        started_at INTEGER NOT NULL,
        first_step_ms REAL,
        os_before TEXT NOT NULL,
        grants TEXT,
        state TEXT NOT NULL,
        report TEXT
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX run_of_deployment ON run (deployment_id, started_at);

      CREATE TABLE run_journal (
        run_id TEXT NOT NULL,
        n INTEGER NOT NULL,
        entry TEXT NOT NULL,
        PRIMARY KEY (run_id, n)
      ) STRICT, WITHOUT ROWID;

      -- Packages that the site was told about as ready.
      CREATE TABLE run_content (
        run_id TEXT NOT NULL,
        package_id TEXT NOT NULL,
        PRIMARY KEY (run_id, package_id)
      ) STRICT, WITHOUT ROWID;
    `,
  },
  {
    name: 'runs that shall end',
    sql: 'ALTER TABLE run ADD COLUMN cancel_wanted INTEGER NOT NULL DEFAULT 0;',
  },
  {
    name: 'contents that stay, and bytes over metered lines',
    sql: `
      -- A content_id of the cache may be that of a part: the id of the content, '-', what stands for the files.
      ALTER TABLE cache_content ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
      -- The package says so; somebody on the device said so.
      ALTER TABLE cache_content ADD COLUMN persist INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE cache_content ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;

      -- Bytes of content that came over a metered line, by the device's own day.
      CREATE TABLE metered_use (
        day TEXT PRIMARY KEY,
        bytes INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
    `,
  },
  {
    name: 'what a run accepted, apart from its state, which is written at every commit with its whole row; who paused it',
    sql: 'ALTER TABLE run ADD COLUMN paused_by TEXT; CREATE TABLE run_accepted (run_id TEXT PRIMARY KEY, accepted TEXT NOT NULL) STRICT, WITHOUT ROWID;',
  },
  {
    name: 'how long its user let a run rest',
    sql: `
      -- Milliseconds since 1970; since when it is paused.
      ALTER TABLE run ADD COLUMN paused_at INTEGER;
      ALTER TABLE run ADD COLUMN user_paused_ms INTEGER NOT NULL DEFAULT 0;
      -- The administrator let it go on: its user does not pause it any more.
      ALTER TABLE run ADD COLUMN user_may_not_pause INTEGER NOT NULL DEFAULT 0;
    `,
  },
]
