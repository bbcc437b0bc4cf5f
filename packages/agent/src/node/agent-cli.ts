import { readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, isAbsolute, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openAccountDatabase } from '@carmine/auth/node';
import { CarmineError, isCarmineError } from '@carmine/errors';
import { formatAddress } from '../address.ts';
import { type AgentConfiguration, type AgentRole, configurationWarnings } from '../configuration.ts';
import { defaultConfiguration } from '../default-configuration.ts';
import { type AgentContext, type AgentService, startAgent } from './agent.ts';
import { verifyAuditLog } from './audit-log.ts';
import { openCertificateFiles } from './certificate-files.ts';
import { makeStateFolder, replaceFile } from './files.ts';
import { generateCertificate } from './generate-certificate.ts';
import { loadConfiguration } from './load-configuration.ts';
import { createLog } from './log.ts';
import { netbiosName } from './management.ts';
import { readPassword } from './password.ts';

export interface AgentProgram {
  readonly role: AgentRole;
  /** `carmine-server`, `carmine-client`. */
  readonly name: string;
  readonly version: string;
  readonly createService: (context: AgentContext) => Promise<AgentService>;
  /** What `init` does beyond writing the configuration; returns lines to print. */
  readonly initialise?: ((configuration: AgentConfiguration) => Promise<string[]>) | undefined;
}

/** Runs the command line of an agent; returns the exit code (those of `carmine`: 0, 1, 2, 4, 5, 10). */
export async function runAgentProgram(program: AgentProgram, argv: readonly string[]): Promise<number> {
  try {
    const [verb = '', sub = ''] = argv;
    if (verb === '' || verb === 'help' || verb === '--help' || argv.includes('--help')) {
      process.stdout.write(`${help(program.name)}\n`);
      return verb === '' ? 2 : 0;
    }
    const command = verbs[`${verb} ${sub}`] ?? verbs[verb];
    if (command === undefined)
      throw usage(`there is no command "${[verb, sub].join(' ').trim()}"; see "${program.name} help"`);
    const words = verbs[`${verb} ${sub}`] === undefined ? 1 : 2;
    return await command(program, parse(argv.slice(words)));
  } catch (thrown) {
    const error = CarmineError.from(thrown);
    process.stderr.write(`${program.name}: ${error.message}\n`);
    if (isCarmineError(error, 'internal/unexpected') || process.env['CARMINE_LOG'] === 'debug') {
      process.stderr.write(`${(error.cause instanceof Error ? error.cause : error).stack ?? ''}\n`);
    }
    return exitCodeOf(error);
  }
}

interface Arguments {
  readonly positionals: readonly string[];
  readonly values: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
}

type Verb = (program: AgentProgram, args: Arguments) => Promise<number>;

const verbs: Readonly<Record<string, Verb>> = {
  run,
  init,
  check,
  'account add': accountAdd,
  'account list': accountList,
  'account remove': accountRemove,
  'certificate generate': certificateGenerate,
  'certificate import': certificateImport,
  'certificate list': certificateList,
  'audit verify': auditVerify,
};

async function run(program: AgentProgram, args: Arguments): Promise<number> {
  const configuration = await load(program, args);
  const log = createLog(program.name);
  const agent = await startAgent({
    role: program.role,
    configuration,
    version: program.version,
    log,
    createService: program.createService,
  });
  const stopped = new Promise<string>((resolveSignal) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolveSignal(signal));
    // A launcher on an old Node dies with its child and the child with it.
    if (process.env['CARMINE_LAUNCHED'] === '1') process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  });
  process.stdout.write(`${JSON.stringify(agent.ready)}\n`);
  log.info(
    `ready: WS-Management on ${[agent.ready.wsman.http, agent.ready.wsman.https].filter((address) => address !== null).join(', ')}`,
  );
  log.info(`stopping on ${await stopped}`);
  await agent.stop();
  log.info('stopped');
  return 0;
}

async function init(program: AgentProgram, args: Arguments): Promise<number> {
  const file = required(args, 'config');
  if (await exists(file)) throw new CarmineError('configuration/exists', { context: { file } });
  const stateDir = absolute(text(args, 'state-dir') ?? `${dirname(file)}/${program.name}`);
  await makeStateFolder(dirname(resolve(file)));
  await makeStateFolder(stateDir);
  await replaceFile(file, defaultConfiguration(program.role, stateDir));
  const configuration = await loadConfiguration(program.role, file);
  const lines = (await program.initialise?.(configuration)) ?? [];
  process.stdout.write(
    [
      `wrote ${file}`,
      `state in ${stateDir}`,
      ...lines,
      `next: ${program.name} account add NAME --config ${file} --groups Administrators`,
      '',
    ].join('\n'),
  );
  return 0;
}

async function check(program: AgentProgram, args: Arguments): Promise<number> {
  const configuration = await load(program, args);
  const { management, server, client, metrics } = configuration;
  if (management.tls !== undefined) {
    for (const file of Object.values(management.tls)) await mustBeReadable(file);
  }
  if (program.role === 'client') for (const file of client.trust) await mustBeReadable(file);
  const listen = {
    wsman: {
      http: management.http === undefined ? null : formatAddress(management.http),
      https: management.https === undefined ? null : formatAddress(management.https),
    },
    dcom: { resolver: null, exporter: null },
    metrics: metrics.http === undefined ? null : formatAddress(metrics.http),
    ...(program.role === 'server' ? { urlGroups: server.bind } : {}),
  };
  const report = {
    schema: 'carmine.check/1',
    role: program.role,
    stateDir: configuration.stateDir,
    listen,
    auth: management.auth,
    channelBinding:
      program.role === 'server'
        ? { management: management.channelBinding, urlGroups: server.channelBinding }
        : { management: management.channelBinding },
    certificates: Object.fromEntries(management.certificates),
    roles: Object.fromEntries(management.roles),
    roots: program.role === 'server' ? server.roots : client.roots,
    warnings: configurationWarnings(program.role, configuration),
  };
  if (args.values['json'] === true) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    const lines = [
      `state                  ${report.stateDir}`,
      `WS-Management http     ${listen.wsman.http ?? 'off'}${listen.wsman.http === null ? '' : ' (sealed messages only)'}`,
      `WS-Management https    ${listen.wsman.https ?? 'off'}`,
      ...(program.role === 'server' ? [`URL groups on          ${server.bind.join(', ')}`] : []),
      `metrics                ${listen.metrics ?? 'off'}`,
      `authentication         ${report.auth.join(', ')}`,
      `channel binding        ${management.channelBinding}${program.role === 'server' ? `; URL groups ${server.channelBinding}` : ''}`,
      ...[...management.certificates].map(([key, account]) => `client certificate     ${key}: ${account}`),
      ...[...management.roles].map(([group, role]) => `role                   ${group}: ${role}`),
      `roots                  ${report.roots.join(', ') || 'none'}`,
      ...report.warnings.map((warning) => `warning: ${warning}`),
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
  }
  return 0;
}

async function accountAdd(program: AgentProgram, args: Arguments): Promise<number> {
  const accounts = await openAccounts(program, args);
  const name = position(args, 0, 'NAME');
  const groups = (text(args, 'groups') ?? 'Users')
    .split(',')
    .map((group) => group.trim())
    .filter((group) => group !== '');
  const password = await readPassword({
    file: text(args, 'password-file') ?? process.env['CARMINE_PASSWORD_FILE'],
    stdin: args.values['password-stdin'] === true,
    prompt: `New password of ${name}: `,
  });
  const added = accounts.add(name, password, groups);
  return print(args, `${added.name}  ${added.sid}  ${added.groups.join(',')}`, {
    schema: 'carmine.account/1',
    ...added,
  });
}

async function accountList(program: AgentProgram, args: Arguments): Promise<number> {
  const all = (await openAccounts(program, args)).list();
  const lines = all.map((account) => `${account.name}  ${account.sid}  ${account.groups.join(',')}`);
  return print(args, lines.join('\n'), { schema: 'carmine.account-list/1', accounts: all });
}

async function accountRemove(program: AgentProgram, args: Arguments): Promise<number> {
  const name = position(args, 0, 'NAME');
  (await openAccounts(program, args)).remove(name);
  return print(args, '', { schema: 'carmine.account/1', name, removed: true });
}

async function certificateGenerate(program: AgentProgram, args: Arguments): Promise<number> {
  const { stateDir } = await load(program, args);
  const names = args.values['name'];
  const hosts = [...(Array.isArray(names) ? names.map(String) : []), ...args.positionals];
  if (hosts.length === 0) throw usage('--name HOST is missing');
  const { certificate, privateKey } = await generateCertificate(hosts, Date.now());
  const stored = await openCertificateFiles(stateDir).add(text(args, 'store') ?? 'MY', certificate, privateKey);
  return print(args, `${hex(stored.thumbprint)}  ${stored.subject}\n${stored.file}`, certificateDocument(stored));
}

async function certificateImport(program: AgentProgram, args: Arguments): Promise<number> {
  const { stateDir } = await load(program, args);
  if (args.positionals.length === 0) throw usage('FILE is missing: PEM files with a certificate and its key');
  const texts = await Promise.all(args.positionals.map((file) => readText(file)));
  const blocks = texts.join('\n').match(/-----BEGIN [A-Z0-9 ]+-----[\s\S]*?-----END [A-Z0-9 ]+-----/g) ?? [];
  const certificates = blocks.filter((block) => block.startsWith('-----BEGIN CERTIFICATE-----'));
  const keys = blocks.filter((block) => block.includes('PRIVATE KEY-----'));
  const stored = await openCertificateFiles(stateDir).add(
    text(args, 'store') ?? 'MY',
    certificates.join('\n'),
    keys[0] ?? '',
  );
  return print(args, `${hex(stored.thumbprint)}  ${stored.subject}\n${stored.file}`, certificateDocument(stored));
}

async function certificateList(program: AgentProgram, args: Arguments): Promise<number> {
  const { stateDir } = await load(program, args);
  const all = await openCertificateFiles(stateDir).list();
  const lines = all.map((each) => `${each.store}  ${each.thumbprint}  ${each.notAfter.slice(0, 10)}  ${each.subject}`);
  return print(args, lines.join('\n'), { schema: 'carmine.certificate-list/1', certificates: all });
}

async function auditVerify(program: AgentProgram, args: Arguments): Promise<number> {
  const { stateDir } = await load(program, args);
  const { head, broken, torn } = await verifyAuditLog(stateDir).catch((cause) => {
    throw new CarmineError('configuration/unreadable', {
      context: { file: `${stateDir}/audit.ndjson`, reason: (cause as NodeJS.ErrnoException).code ?? 'unreadable' },
      cause,
    });
  });
  const lines = [
    ...broken.map(
      (line) => `line ${line} does not follow the line before it: something was changed, removed or inserted there`,
    ),
    ...torn.map((line) => `line ${line} was cut off by a crash; the chain goes on after it`),
    `${head.count} records, head ${head.hash}: ${broken.length === 0 ? 'unbroken' : 'BROKEN'}`,
  ];
  print(args, lines.join('\n'), { schema: 'carmine.audit/1', records: head.count, head: head.hash, broken, torn });
  return broken.length === 0 ? 0 : 7;
}

function certificateDocument(stored: { thumbprint: Uint8Array; sha256: Uint8Array; subject: string; file: string }) {
  return {
    schema: 'carmine.stored-certificate/1',
    thumbprint: hex(stored.thumbprint),
    sha256: hex(stored.sha256),
    subject: stored.subject,
    file: stored.file,
  };
}

function print(args: Arguments, lines: string, document: object): number {
  process.stdout.write(
    args.values['json'] === true ? `${JSON.stringify(document)}\n` : lines === '' ? '' : `${lines}\n`,
  );
  return 0;
}

async function openAccounts(program: AgentProgram, args: Arguments) {
  const { stateDir } = await load(program, args);
  await makeStateFolder(stateDir);
  return openAccountDatabase({ stateDir, hostName: netbiosName(hostname()) });
}

function load(program: AgentProgram, args: Arguments): Promise<AgentConfiguration> {
  const stateDir = text(args, 'state-dir');
  return loadConfiguration(
    program.role,
    required(args, 'config'),
    stateDir === undefined ? undefined : absolute(stateDir),
  );
}

function parse(argv: readonly string[]): Arguments {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        'state-dir': { type: 'string' },
        groups: { type: 'string' },
        'password-file': { type: 'string' },
        'password-stdin': { type: 'boolean' },
        name: { type: 'string', multiple: true },
        store: { type: 'string' },
        json: { type: 'boolean' },
      },
    }) as Arguments;
  } catch (cause) {
    throw usage((cause as Error).message.replace(/\. To specify.*$/s, ''));
  }
}

function text(args: Arguments, name: string): string | undefined {
  const value = args.values[name];
  return typeof value === 'string' ? value : undefined;
}

function required(args: Arguments, name: string): string {
  const value = text(args, name) ?? (name === 'config' ? process.env['CARMINE_CONFIG'] : undefined);
  if (value === undefined) throw usage(`--${name} is missing`);
  return value;
}

function position(args: Arguments, index: number, name: string): string {
  const value = args.positionals[index];
  if (value === undefined) throw usage(`${name} is missing`);
  return value;
}

function absolute(path: string): string {
  return isAbsolute(path) ? path : resolve(path);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function mustBeReadable(file: string): Promise<void> {
  await readText(file);
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new CarmineError('configuration/unreadable', {
      context: { file, reason: (cause as NodeJS.ErrnoException).code ?? 'unreadable' },
      cause,
    });
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}

function usage(reason: string): CarmineError {
  return new CarmineError('usage/invalid', { context: { reason } });
}

function exitCodeOf(error: CarmineError): number {
  if (error.code.startsWith('configuration/') || error.code.startsWith('usage/')) return 2;
  if (error.code.startsWith('file/')) return 10;
  if (error.kind === 'refused') return 4;
  return error.kind === 'transient' ? 5 : 1;
}

function help(name: string): string {
  return `${name}: ${name === 'carmine-server' ? 'publishes files under URL groups' : 'fetches files in background jobs'}, managed over WS-Management

  ${name} init --config FILE [--state-dir DIR]      write a commented configuration that is safe as it stands
  ${name} check --config FILE [--json]              validate it, print what would be listened on
  ${name} run --config FILE                         serve until SIGTERM; prints one line of JSON when ready
  ${name} account add NAME --config FILE --groups Administrators,… (--password-file F | --password-stdin)
  ${name} account list --config FILE [--json]
  ${name} account remove NAME --config FILE
  ${name} certificate generate --config FILE --name HOST… [--store MY]
  ${name} certificate import FILE… --config FILE [--store MY]
  ${name} certificate list --config FILE [--json]
  ${name} audit verify --config FILE [--json]       check that nobody changed the audit

Members of the group Administrators may manage, and of other groups as far as [management.roles] says; all other accounts may only
fetch what a URL's SDDL allows them.`;
}
