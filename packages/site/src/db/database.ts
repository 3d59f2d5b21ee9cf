/**
 * The site's database: SQLite in a file by default, PostgreSQL where a site grows past one process.
 *
 * Inside `db.transaction().execute(async (trx) => …)` use `trx` only: SQLite has one connection, and
 * the transaction holds it, so a query on `db` would wait for ever.
 */
import { ok, type Result } from '@sluice/protocol'
import { Kysely, type Transaction } from 'kysely'
import { auditedDialect } from '../administrators/audit/audited-dialect.ts'
import { factsDialect } from '../policy/facts-revision.ts'
import { migrate } from './migrate.ts'
import { migrations } from './migrations/index.ts'
import { postgresDialect } from './postgres.ts'
import type { AdministratorsTables } from './schema/administrators.ts'
import type { CollectionsTables } from './schema/collections.ts'
import type { ContentTables } from './schema/content.ts'
import type { DebuggingTables } from './schema/debugging.ts'
import type { DeploymentsTables } from './schema/deployments.ts'
import type { DevicesTables } from './schema/devices.ts'
import type { DistributionPointsTables } from './schema/distribution-points.ts'
import type { EnrolmentTables } from './schema/enrolment.ts'
import type { GatewaysTables } from './schema/gateways.ts'
import type { OrganisationTables } from './schema/organisation.ts'
import type { SecretsTables } from './schema/secrets.ts'
import type { SiteTables } from './schema/site.ts'
import type { StatusTables } from './schema/status.ts'
import { SqliteWorkerDialect } from './sqlite/dialect.ts'

export interface Database
  extends SiteTables,
    AdministratorsTables,
    DevicesTables,
    EnrolmentTables,
    OrganisationTables,
    SecretsTables,
    CollectionsTables,
    StatusTables,
    ContentTables,
    DistributionPointsTables,
    DeploymentsTables,
    DebuggingTables,
    GatewaysTables {}

/** The whole database or a transaction on it: for functions that work in both. */
export type Db = Kysely<Database> | Transaction<Database>

export type DatabaseLocation = { kind: 'sqlite'; path: string } | { kind: 'postgres'; url: string }

/**
 * Opens the database and brings it to the present schema. The caller ends it with `db.destroy()`.
 * @param onIdleError told of connections to a server that break while nobody uses them
 * @returns `DATA_TOO_NEW` when a newer version wrote it; throws when it cannot be opened at all
 */
export async function openDatabase(
  location: DatabaseLocation,
  onIdleError: (cause: Error) => void = () => {},
): Promise<Result<Kysely<Database>>> {
  const dialect =
    location.kind === 'sqlite' ? new SqliteWorkerDialect(location.path) : postgresDialect(location.url, onIdleError)
  const db = new Kysely<Database>({ dialect: auditedDialect(factsDialect(dialect)) })
  try {
    const migrated = await migrate(db, migrations)
    if (migrated.ok) return ok(db)
    await db.destroy()
    return migrated
  } catch (error) {
    await db.destroy()
    throw error
  }
}
