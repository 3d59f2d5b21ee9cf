/** Reads a command line, carries it out, and says what became of it. */
import { ProblemError } from '@sluice/protocol'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { addAdministratorCommands } from './commands/administrators.ts'
import { addAlarmCommand } from './commands/alarms.ts'
import { addAuditCommands } from './commands/audit.ts'
import { addAuthenticatorCommand } from './commands/authenticator.ts'
import { addCollectionCommands } from './commands/collection.ts'
import { addDebugCommand } from './commands/debug.ts'
import { addDeploymentCommands } from './commands/deployment.ts'
import { addDeviceCommands } from './commands/devices.ts'
import { addDistributionPointCommands } from './commands/distribution-point.ts'
import { addGatewayCommands } from './commands/gateways.ts'
import { addIdentityCommands } from './commands/identity.ts'
import { addKeysCommands } from './commands/keys.ts'
import { addPackageCommands } from './commands/package.ts'
import { addReleaseCommands } from './commands/release.ts'
import { addSecretCommands } from './commands/secrets.ts'
import { addSequenceCommands } from './commands/sequence.ts'
import { addSettingsCommands } from './commands/settings.ts'
import { addSignInCommands } from './commands/sign-in.ts'
import { addSiteCommand } from './commands/site.ts'
import { addStatusCommand } from './commands/status.ts'
import { resolveConnection, resolveEndpoint, sessionFile } from './connect/connection.ts'
import { createHttpsFetch } from './connect/https-fetch.ts'
import { Site } from './connect/site.ts'
import { LocalFailure } from './local-failure.ts'
import { fileFailure } from './local-file.ts'
import { Output, type OutputStream } from './terminal/output.ts'

export interface Environment {
  env: Record<string, string | undefined>
  stdout: OutputStream
  stderr: OutputStream
  /** Ctrl-C. */
  signal: AbortSignal
  /** Asks the person at the terminal; undefined when there is none. */
  ask: ((question: string, signal: AbortSignal) => Promise<string>) | undefined
  /** The same, without showing what is typed. */
  askSecret?: Environment['ask']
  /** All of standard input. */
  input?: () => Promise<string>
}
export type RunOptions = Environment

export interface Endpoint extends Disposable {
  url: string
  fetch: typeof globalThis.fetch
  /** Undefined where nobody has a home. */
  sessionFile: string | undefined
}

/** What a command gets to work with. */
export interface Session {
  readonly out: Output
  readonly signal: AbortSignal
  readonly ask: Environment['ask']
  readonly askSecret: Environment['ask']
  readonly input: () => Promise<string>
  /** The site; the connection is resolved when it is first asked for, so that some commands need none. */
  site(): Promise<Site>
  /** The site, and where the session at it is kept, for those who are not signed in yet. */
  endpoint(): Promise<Endpoint>
}

/** @returns the exit code: 0, or 1 when something did not work */
export async function run(args: string[], environment: Environment): Promise<number> {
  const program = new Command('sluice')
  const out = new Output(environment, { json: args.includes('--json') })
  let site: Site | undefined
  const session: Session = {
    out,
    signal: environment.signal,
    ask: environment.ask,
    askSecret: environment.askSecret,
    input: environment.input ?? (async () => ''),
    async site() {
      site ??= await connect(program, environment)
      return site
    },
    async endpoint() {
      const { url, authority } = await resolveEndpoint(program.opts(), environment.env)
      const https = createHttpsFetch({ authority })
      const file = sessionFile(url, environment.env)
      return { url, fetch: https.fetch, sessionFile: file, [Symbol.dispose]: () => https.close() }
    },
  }
  program
    .description('Administers a Sluice site.')
    .option('--connection <file>', 'JSON file {url, authority, tokenFile}, as in the data folder of a site')
    .option('--site <url>', 'address of the admin API, as in https://site.example:8443')
    .option('--token-file <file>', 'file with the token of the administrator')
    .option('--authority <pem>', 'PEM of the authority that signed the certificate of the site')
    .option('--json', 'print JSON instead of text')
    .addHelpText(
      'after',
      '\nWithout these options: SLUICE_CONNECTION, or SLUICE_SITE, SLUICE_TOKEN_FILE and SLUICE_AUTHORITY.',
    )
    .showHelpAfterError('(--help shows what is possible)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => environment.stdout.write(text),
      writeErr: (text) => out.json || environment.stderr.write(text),
    })
  addPackageCommands(program, session)
  addSequenceCommands(program, session)
  addCollectionCommands(program, session)
  addDeploymentCommands(program, session)
  addDebugCommand(program, session)
  addDeviceCommands(program, session)
  addGatewayCommands(program, session)
  addAlarmCommand(program, session)
  addReleaseCommands(program, session)
  addKeysCommands(program, session)
  addDistributionPointCommands(program, session)
  addIdentityCommands(program, session)
  addSecretCommands(program, session)
  addSettingsCommands(program, session)
  addStatusCommand(program, session)
  addSiteCommand(program, session)
  addSignInCommands(program, session)
  addAuthenticatorCommand(program, session)
  addAdministratorCommands(program, session)
  addAuditCommands(program, session)

  try {
    await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof InvalidArgumentError) out.localFailure(error.message)
    else if (error instanceof CommanderError) {
      // Its text is on standard error already, unless there is to be JSON; other codes are those of commands that said all.
      if (error.exitCode === 0) return 0
      if (out.json && error.code.startsWith('commander.')) out.localFailure(usageFailure(error))
    } else if (environment.signal.aborted) return 1
    else if (error instanceof ProblemError) out.problem(error.problem)
    else {
      const message = error instanceof LocalFailure ? error.message : fileFailure(error)
      if (message === undefined) throw error
      out.localFailure(message)
    }
    return 1
  } finally {
    site?.close()
  }
}

async function connect(program: Command, { env, signal }: Environment): Promise<Site> {
  const connection = await resolveConnection(program.opts(), env)
  return new Site(connection, createHttpsFetch({ authority: connection.authority }), signal)
}

/** What was typed wrongly, as a sentence. */
const usageFailure = ({ code, message }: CommanderError): string =>
  code === 'commander.help' ? 'A command is missing; --help shows what is possible.' : message.replace(/^error: /, '')
