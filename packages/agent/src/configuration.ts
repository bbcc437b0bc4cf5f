import type { Role } from '@carmine/cim';
import { CarmineError } from '@carmine/errors';
import { getStaticTOMLValue, parseTOML } from 'toml-eslint-parser';
import { isLoopback, type ListenAddress } from './address.ts';
import {
  addressValue,
  booleanValue,
  integerValue,
  listOf,
  oneOf,
  pathValue,
  principalValue,
  pushTargetValue,
  ratePeriodValue,
  textValue,
  type ValueReader,
} from './configuration-schema.ts';
import {
  type Entries,
  freeTables,
  type Refuse,
  readAccounts,
  readCertificates,
  readPrincipals,
  readRoles,
} from './configuration-tables.ts';

export type AgentRole = 'server' | 'client';
const managementSchemes = ['kerberos', 'ntlm', 'basic', 'certificate'] as const;
export type ManagementScheme = (typeof managementSchemes)[number];
const channelBindingPolicies = ['required', 'relaxed'] as const;
export type ChannelBindingPolicy = (typeof channelBindingPolicies)[number];
const dcomLevels = ['integrity', 'privacy'] as const;

/** An agent's configuration: the file's keys in camelCase, defaults filled in. */
export interface AgentConfiguration {
  readonly stateDir: string;
  readonly management: {
    readonly http: ListenAddress | undefined;
    readonly https: ListenAddress | undefined;
    readonly dcom: {
      /** Of the object resolver; undefined: no DCOM. */
      readonly resolver: ListenAddress | undefined;
      /** Of the objects; the resolver's host and a free port unless given. */
      readonly exporter: ListenAddress | undefined;
      /** The least protection of calls. */
      readonly level: (typeof dcomLevels)[number];
      /** Whether asynchronous calls are answered by calling back, which nothing protects. */
      readonly callbacks: boolean;
    };
    readonly auth: readonly ManagementScheme[];
    readonly channelBinding: ChannelBindingPolicy;
    /** Connections to one listener at once; two thirds of them from one address. */
    readonly maxConnections: number;
    /** Whether Identify with `WSMANIDENTIFY: unauthenticated` is answered; its answer has no version. */
    readonly anonymousIdentify: boolean;
    /** Where events may be pushed to: `host:port`, or networks. Empty: nowhere. */
    readonly pushTo: readonly string[];
    readonly tls:
      | { readonly cert: string; readonly key: string /** For client certificates. */; readonly clientCa?: string }
      | undefined;
    /** Client certificate (see readCertificates) to account. */
    readonly certificates: ReadonlyMap<string, string>;
    /** Group to what its members may do without being administrators. */
    readonly roles: ReadonlyMap<string, Role>;
  };
  readonly server: {
    readonly bind: readonly string[];
    readonly roots: readonly string[];
    readonly requireTls: boolean;
    readonly anonymous: boolean;
    readonly persist: boolean;
    readonly channelBinding: ChannelBindingPolicy;
    /** Authorities of client certificates on https data ports; without it none counts. */
    readonly clientCa: string | undefined;
    /** Client certificate (see readCertificates) to account. */
    readonly certificates: ReadonlyMap<string, string>;
    /** Who reads fewer bytes a second is cut off after the grace time; 0: nobody is. */
    readonly minRateBytes: number;
    readonly graceSeconds: number;
    /** Of all data ports together. */
    readonly connectionLimit: number;
    /** File that gets a line for each answer; undefined: none. */
    readonly accessLog: string | undefined;
    /** For so long answers may come to their end when the agent stops. */
    readonly drainSeconds: number;
  };
  readonly client: {
    readonly roots: readonly string[];
    readonly trust: readonly string[];
    readonly accounts: ReadonlyMap<string, string>;
    readonly checkpointBytes: number;
    /** Undefined: as many as pay. */
    readonly connections: number | undefined;
    readonly backgroundYields: boolean;
    /** Bytes per second of all jobs together, outside the timetable; undefined: no limit. */
    readonly rateBytes: number | undefined;
    readonly rateTimetable: readonly string[];
  };
  readonly metrics: { readonly http: ListenAddress | undefined };
  /** For management and data ports. `accounts`: principal in lower case to account. */
  readonly kerberos: {
    readonly keytab: string | undefined;
    readonly accounts: ReadonlyMap<string, string>;
    /** krb5.conf; KRB5_CONFIG or /etc/krb5.conf unless given. */
    readonly config?: string | undefined;
    /** Who the agent itself is, with a key in the keytab: what jobs with implicit credentials log on as. */
    readonly principal?: string | undefined;
    /** Accept tickets encrypted with rc4-hmac, which is weak; their keys may then be imported too. */
    readonly allowRc4?: boolean | undefined;
  };
}

/** Every key there is. `environment`: CARMINE_ and the key in capitals with `_` for the dots. */
const schema = {
  state_dir: pathValue,
  'management.http': addressValue,
  'management.https': addressValue,
  'management.dcom': addressValue,
  'management.dcom_exporter': addressValue,
  'management.dcom_level': oneOf(dcomLevels),
  'management.dcom_callbacks': booleanValue,
  'management.auth': listOf(oneOf(managementSchemes)),
  'management.channel_binding': oneOf(channelBindingPolicies),
  'management.max_connections': integerValue(1, 65_535),
  'management.anonymous_identify': booleanValue,
  'management.push_to': listOf(pushTargetValue),
  'management.tls.cert': pathValue,
  'management.tls.key': pathValue,
  'management.tls.client_ca': pathValue,
  'server.bind': listOf(textValue),
  'server.roots': listOf(pathValue),
  'server.require_tls': booleanValue,
  'server.anonymous': booleanValue,
  'server.persist': booleanValue,
  'server.channel_binding': oneOf(channelBindingPolicies),
  'server.client_ca': pathValue,
  'server.min_rate_bytes': integerValue(0, 1_073_741_824),
  'server.grace_seconds': integerValue(1, 86_400),
  'server.connection_limit': integerValue(1, 1_000_000),
  'server.access_log': pathValue,
  'server.drain_seconds': integerValue(0, 3600),
  'client.roots': listOf(pathValue),
  'client.trust': listOf(pathValue),
  'client.checkpoint_bytes': integerValue(65_536, 1_073_741_824),
  'client.connections': integerValue(1, 64),
  'client.background_yields': booleanValue,
  'client.rate_bytes': integerValue(0, Number.MAX_SAFE_INTEGER),
  'client.rate_timetable': listOf(ratePeriodValue),
  'metrics.http': addressValue,
  'kerberos.keytab': pathValue,
  'kerberos.config': pathValue,
  'kerberos.principal': principalValue,
  'kerberos.allow_rc4': booleanValue,
} as const satisfies Record<string, ValueReader<unknown>>;

type Key = keyof typeof schema;
type Value<K extends Key> = (typeof schema)[K] extends ValueReader<infer T> ? T : never;

/** Tables that may stand in the file of either role. */
const tables = ['management', 'management.tls', 'server', 'client', 'metrics', 'kerberos', ...freeTables];

export interface ConfigurationSources {
  readonly role: AgentRole;
  /** Name of the file, for messages, and its text. */
  readonly file: string;
  readonly text: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** From flags; these win over all else. */
  readonly flags?: { readonly stateDir?: string | undefined } | undefined;
}

/**
 * Reads a configuration: flag over environment over file over default. An unknown key or a bad value is an error that
 * names file, line and key.
 */
export function parseConfiguration(sources: ConfigurationSources): AgentConfiguration {
  const entries = new Map<string, { readonly value: unknown; readonly line: number | undefined }>() satisfies Entries;
  for (const [key, value, line] of readToml(sources)) {
    const known = Object.hasOwn(schema, key) || freeTables.some((table) => key.startsWith(`${table}.`));
    if (!known) throw new CarmineError('configuration/unknown-key', { context: { file: sources.file, line, key } });
    entries.set(key, { value, line });
  }
  for (const key of Object.keys(schema) as Key[]) {
    const text = sources.environment[environmentName(key)];
    if (text !== undefined) entries.set(key, { value: schema[key].fromText(text), line: undefined });
  }
  if (sources.flags?.stateDir !== undefined)
    entries.set('state_dir', { value: sources.flags.stateDir, line: undefined });

  const read = <K extends Key>(key: K): Value<K> | undefined => {
    const entry = entries.get(key);
    if (entry === undefined) return undefined;
    const done = schema[key].read(entry.value);
    if ('reason' in done) throw invalid(sources, key, entry.line, done.reason);
    return done.value as Value<K>;
  };
  const refuse: Refuse = (key, reason) => {
    throw invalid(sources, key, entries.get(key)?.line, reason);
  };

  const stateDir = read('state_dir');
  if (stateDir === undefined) {
    throw new CarmineError('configuration/missing', {
      context: { file: sources.file, key: 'state_dir', reason: 'it is where the agent keeps its state' },
    });
  }
  const dcom = read('management.dcom');
  if (dcom === undefined && read('management.dcom_exporter') !== undefined)
    refuse('management.dcom_exporter', 'needs management.dcom, where clients ask for it');
  const metrics = read('metrics.http');
  if (metrics !== undefined && !isLoopback(metrics.host))
    refuse('metrics.http', 'only a loopback address: metrics are not authenticated');
  const [http, https] = [read('management.http'), read('management.https')];
  if (http === undefined && https === undefined && dcom === undefined) {
    throw new CarmineError('configuration/missing', {
      context: {
        file: sources.file,
        key: 'management.http',
        reason: 'or management.https or management.dcom: without any nobody can manage this agent',
      },
    });
  }
  const [cert, key] = [read('management.tls.cert'), read('management.tls.key')];
  if (https !== undefined && (cert === undefined || key === undefined))
    refuse('management.https', 'needs [management.tls] cert and key');
  const keytab = read('kerberos.keytab');
  const principal = read('kerberos.principal');
  if (principal !== undefined && keytab === undefined)
    refuse('kerberos.principal', 'needs its key in a [kerberos] keytab');
  // Without keys Kerberos is not offered: it may always be listed.
  const auth = read('management.auth') ?? ['kerberos', 'ntlm'];
  const clientCa = read('management.tls.client_ca');
  if (https !== undefined && auth.includes('certificate') && clientCa === undefined)
    refuse('management.auth', '"certificate" needs client_ca in [management.tls]');
  const roots = { server: read('server.roots') ?? [], client: read('client.roots') ?? [] };
  return {
    stateDir,
    management: {
      http,
      https,
      dcom: {
        resolver: dcom,
        exporter: read('management.dcom_exporter'),
        level: read('management.dcom_level') ?? 'integrity',
        callbacks: read('management.dcom_callbacks') ?? false,
      },
      auth,
      channelBinding: read('management.channel_binding') ?? 'required',
      maxConnections: read('management.max_connections') ?? 300,
      anonymousIdentify: read('management.anonymous_identify') ?? false,
      pushTo: read('management.push_to') ?? [],
      tls:
        cert === undefined || key === undefined
          ? undefined
          : { cert, key, ...(clientCa === undefined ? {} : { clientCa }) },
      certificates: readCertificates(entries, refuse, 'management.certificates'),
      roles: readRoles(entries, refuse),
    },
    server: {
      bind: read('server.bind') ?? ['127.0.0.1'],
      roots: roots.server,
      requireTls: read('server.require_tls') ?? false,
      anonymous: read('server.anonymous') ?? false,
      persist: read('server.persist') ?? true,
      channelBinding: read('server.channel_binding') ?? 'required',
      clientCa: read('server.client_ca'),
      certificates: readCertificates(entries, refuse, 'server.certificates'),
      minRateBytes: read('server.min_rate_bytes') ?? 1024,
      graceSeconds: read('server.grace_seconds') ?? 60,
      connectionLimit: read('server.connection_limit') ?? 4096,
      accessLog: read('server.access_log'),
      drainSeconds: read('server.drain_seconds') ?? 0,
    },
    client: {
      roots: roots.client,
      trust: read('client.trust') ?? [],
      accounts: readAccounts(entries, refuse),
      checkpointBytes: read('client.checkpoint_bytes') ?? 8 * 1024 * 1024,
      connections: read('client.connections'),
      backgroundYields: read('client.background_yields') ?? false,
      rateBytes: read('client.rate_bytes'),
      rateTimetable: read('client.rate_timetable') ?? [],
    },
    metrics: { http: metrics },
    kerberos: {
      keytab,
      accounts: readPrincipals(entries, refuse),
      config: read('kerberos.config'),
      principal,
      allowRc4: read('kerberos.allow_rc4'),
    },
  };
}

/**
 * What works but may not be what was meant; `check` prints it. `databaseKeys`: whether the account database has Kerberos
 * keys.
 */
export function configurationWarnings(
  role: AgentRole,
  configuration: AgentConfiguration,
  databaseKeys: boolean,
): string[] {
  const warnings: string[] = [];
  const { management, server, client, kerberos } = configuration;
  const hasKeys = kerberos.keytab !== undefined || databaseKeys;
  const noKeys = 'there are no keys: neither [kerberos] keytab nor imported with "account import-keytab"';
  if (management.auth.includes('kerberos') && !management.auth.includes('ntlm') && !hasKeys)
    warnings.push(`management.auth: "kerberos" is not offered: ${noKeys}`);
  if (kerberos.allowRc4 === true)
    warnings.push('kerberos.allow_rc4: tickets encrypted with rc4-hmac, which is weak, are accepted');
  if (!hasKeys && kerberos.accounts.size > 0) warnings.push(`kerberos.accounts has no effect: ${noKeys}`);
  for (const scheme of ['basic', 'certificate'] as const) {
    if (management.auth.includes(scheme) && management.https === undefined)
      warnings.push(`management.auth: "${scheme}" is offered over https only, and management.https is off`);
  }
  const certificates = management.auth.includes('certificate');
  if (certificates && management.certificates.size === 0)
    warnings.push('management.certificates is empty: no client certificate stands for anybody');
  if (!certificates && management.certificates.size > 0)
    warnings.push('management.certificates has no effect: "certificate" is not in management.auth');
  if (management.dcom.callbacks)
    warnings.push('management.dcom_callbacks: results of asynchronous calls go out unprotected');
  if (management.anonymousIdentify)
    warnings.push('management.anonymous_identify: anybody who asks learns that Carmine runs here');
  if (management.channelBinding === 'relaxed')
    warnings.push('management.channel_binding: relaxed: logons may be relayed by a machine in the middle');
  if (role === 'server' && server.roots.length === 0) warnings.push('server.roots is empty: nothing can be published');
  if (role === 'server' && server.anonymous)
    warnings.push('server.anonymous: groups with all schemes off serve anybody');
  if (role === 'server' && server.clientCa !== undefined && server.certificates.size === 0)
    warnings.push('server.certificates is empty: no client certificate stands for anybody');
  if (role === 'server' && server.clientCa === undefined && server.certificates.size > 0)
    warnings.push('server.certificates has no effect: [server] client_ca is not set');
  if (role === 'server' && server.channelBinding === 'relaxed')
    warnings.push('server.channel_binding: relaxed: logons may be relayed by a machine in the middle');
  if (role === 'client' && client.roots.length === 0) warnings.push('client.roots is empty: no job can be created');
  return warnings;
}

/** Dotted keys, values and lines of a TOML text. */
function* readToml({
  file,
  text,
}: ConfigurationSources): Iterable<readonly [key: string, value: unknown, line: number]> {
  const program = parse(file, text);
  for (const top of program.body[0].body) {
    if (top.type === 'TOMLKeyValue') yield* flatten(file, [], top);
    else {
      const path = top.resolvedKey.map(String);
      // In the last place of `[[name]]`'s path stands its position.
      if (top.kind === 'array') throw unknownKey(file, path.slice(0, -1), top.loc.start.line);
      if (!isTable(path)) throw unknownKey(file, path, top.loc.start.line);
      for (const entry of top.body) yield* flatten(file, path, entry);
    }
  }
}

type TomlKeyValue = Extract<ReturnType<typeof parseTOML>['body'][0]['body'][number], { type: 'TOMLKeyValue' }>;

function* flatten(
  file: string,
  prefix: readonly string[],
  entry: TomlKeyValue,
): Iterable<readonly [string, unknown, number]> {
  const path = [...prefix, ...entry.key.keys.map((key) => (key.type === 'TOMLBare' ? key.name : key.value))];
  const { line } = entry.loc.start;
  if (entry.value.type === 'TOMLInlineTable') {
    if (!isTable(path)) throw unknownKey(file, path, line);
    for (const inner of entry.value.body) yield* flatten(file, path, inner);
    return;
  }
  // A dot within a quoted key is not the dot between two keys; the free names of a table may have some.
  const table = freeTables.find((name) => path.length > 2 && name === path.slice(0, 2).join('.'));
  const names = table === undefined ? path : path.slice(0, 2);
  if (names.some((key) => key.includes('.')) || (table !== undefined && path.length > 3))
    throw unknownKey(file, path, line);
  yield [path.join('.'), getStaticTOMLValue(entry.value), line];
}

function isTable(path: readonly string[]): boolean {
  return tables.some((table) => table.split('.').length === path.length && table === path.join('.'));
}

function unknownKey(file: string, path: readonly string[], line: number): CarmineError {
  return new CarmineError('configuration/unknown-key', { context: { file, line, key: path.join('.') } });
}

function parse(file: string, text: string): ReturnType<typeof parseTOML> {
  try {
    return parseTOML(text, { tomlVersion: '1.0' });
  } catch (error) {
    const { lineNumber, message } = error as { lineNumber?: number; message: string };
    throw new CarmineError('configuration/syntax', {
      context: { file, line: lineNumber ?? 1, reason: message },
      cause: error,
    });
  }
}

function environmentName(key: string): string {
  return `CARMINE_${key.toUpperCase().replaceAll('.', '_')}`;
}

function invalid(sources: ConfigurationSources, key: string, line: number | undefined, reason: string): CarmineError {
  // Without a line the value came from a flag or the environment.
  return new CarmineError('configuration/invalid', {
    context:
      line === undefined
        ? { file: 'environment', line: environmentName(key), key, reason }
        : { file: sources.file, line, key, reason },
  });
}
