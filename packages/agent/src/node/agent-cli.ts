import { readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import { CarmineError, isCarmineError } from '@carmine/errors';
import { formatAddress } from '../address.ts';
import { configurationWarnings } from '../configuration.ts';
import { defaultConfiguration } from '../default-configuration.ts';
import { accountVerbs } from './account-command.ts';
import { startAgent } from './agent.ts';
import { verifyAuditLog } from './audit-log.ts';
import { openCertificateFiles } from './certificate-files.ts';
import {
  type AgentProgram,
  type Arguments,
  absolute,
  load,
  parse,
  print,
  required,
  text,
  usage,
  type Verb,
} from './command-line.ts';
import { makeStateFolder, replaceFile } from './files.ts';
import { generateCertificate } from './generate-certificate.ts';
import { kerberosSources } from './kerberos.ts';
import { loadConfiguration } from './load-configuration.ts';
import { createLog } from './log.ts';
import { netbiosName } from './management.ts';
import { formatServiceKeys } from './service-keys.ts';

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

const verbs: Readonly<Record<string, Verb>> = {
  run,
  init,
  check,
  ...accountVerbs,
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
  const kerberos = kerberosSources(configuration, netbiosName(hostname()));
  const listen = {
    wsman: {
      http: management.http === undefined ? null : formatAddress(management.http),
      https: management.https === undefined ? null : formatAddress(management.https),
    },
    dcom: {
      resolver: management.dcom.resolver === undefined ? null : formatAddress(management.dcom.resolver),
      exporter:
        management.dcom.resolver === undefined
          ? null
          : formatAddress(management.dcom.exporter ?? { host: management.dcom.resolver.host, port: 0 }),
    },
    metrics: metrics.http === undefined ? null : formatAddress(metrics.http),
    ...(program.role === 'server' ? { urlGroups: server.bind } : {}),
  };
  const report = {
    schema: 'carmine.check/1',
    role: program.role,
    stateDir: configuration.stateDir,
    listen,
    auth: management.auth,
    kerberos,
    channelBinding:
      program.role === 'server'
        ? { management: management.channelBinding, urlGroups: server.channelBinding }
        : { management: management.channelBinding },
    certificates: Object.fromEntries(management.certificates),
    roles: Object.fromEntries(management.roles),
    roots: program.role === 'server' ? server.roots : client.roots,
    warnings: configurationWarnings(
      program.role,
      configuration,
      kerberos.some(({ from }) => from === 'accounts'),
    ),
  };
  if (args.values['json'] === true) process.stdout.write(`${JSON.stringify(report)}\n`);
  else {
    const lines = [
      `state                  ${report.stateDir}`,
      `WS-Management http     ${listen.wsman.http ?? 'off'}${listen.wsman.http === null ? '' : ' (sealed messages only)'}`,
      `WS-Management https    ${listen.wsman.https ?? 'off'}`,
      ...(program.role === 'server' ? [`URL groups on          ${server.bind.join(', ')}`] : []),
      `metrics                ${listen.metrics ?? 'off'}`,
      `authentication         ${report.auth.map((scheme) => (scheme === 'kerberos' && kerberos.length === 0 ? 'kerberos (no keys)' : scheme)).join(', ')}`,
      ...kerberos.map((keys) => `Kerberos               ${formatServiceKeys(keys)}  (${keys.from})`),
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
  ${name} account import-keytab FILE --config FILE [--json]   Kerberos keys of HTTP/HOST, WSMAN/HOST
  ${name} account remove-keys PRINCIPAL --config FILE
  ${name} certificate generate --config FILE --name HOST… [--store MY]
  ${name} certificate import FILE… --config FILE [--store MY]
  ${name} certificate list --config FILE [--json]
  ${name} audit verify --config FILE [--json]       check that nobody changed the audit

Members of the group Administrators may manage, and of other groups as far as [management.roles] says; all other accounts may only
fetch what a URL's SDDL allows them.`;
}
