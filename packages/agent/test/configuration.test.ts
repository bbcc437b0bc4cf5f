import { CarmineError } from '@carmine/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AgentConfiguration,
  type AgentRole,
  configurationWarnings,
  defaultConfiguration,
  parseConfiguration,
} from '../src/index.ts';

interface Extra {
  readonly role?: AgentRole;
  readonly environment?: Record<string, string>;
  readonly stateDir?: string;
}

const parse = (text: string, { role = 'server', environment = {}, stateDir }: Extra = {}) =>
  parseConfiguration({ role, file: 'agent.toml', text, environment, flags: { stateDir } });

function failure(work: () => unknown): CarmineError {
  try {
    work();
  } catch (error) {
    return CarmineError.from(error);
  }
  throw new Error('it did not fail');
}

/** Three lines that every configuration needs; keys under test begin on line 4. */
const base = 'state_dir = "/state"\nmanagement.http = "127.0.0.1:5985"\n\n';

describe('every key', () => {
  it.each<[string, (c: AgentConfiguration) => unknown, unknown]>([
    [
      'management.https = "0.0.0.0:5986"\nmanagement.tls = { cert = "/c", key = "/k" }',
      (c) => c.management.https,
      { host: '0.0.0.0', port: 5986 },
    ],
    [
      'management.tls = { cert = "/c", key = "/k", client_ca = "/ca" }',
      (c) => c.management.tls,
      { cert: '/c', key: '/k', clientCa: '/ca' },
    ],
    [
      `[management.certificates]\n"${'AB:'.repeat(19)}ab" = "admin"\n${'cD'.repeat(32)} = "other"\n"upn:Ann@Example.com" = "ann"\n"dns:HOST.example" = "h"`,
      (c) => [...c.management.certificates],
      [
        ['ab'.repeat(20), 'admin'],
        ['cd'.repeat(32), 'other'],
        ['upn:ann@example.com', 'ann'],
        ['dns:host.example', 'h'],
      ],
    ],
    ['management.tls.cert = "/c"\nmanagement.tls.key = "/k"', (c) => c.management.tls, { cert: '/c', key: '/k' }],
    [
      'management.auth = ["ntlm", "basic", "kerberos", "certificate"]',
      (c) => c.management.auth,
      ['ntlm', 'basic', 'kerberos', 'certificate'],
    ],
    ['management.auth = []', (c) => c.management.auth, []],
    [
      'kerberos.keytab = "/k"\nkerberos.config = "/c"\nkerberos.principal = "host/a.b@R"',
      (c) => [c.kerberos.config, c.kerberos.principal],
      ['/c', 'host/a.b@R'],
    ],
    ['kerberos.allow_rc4 = true', (c) => c.kerberos.allowRc4, true],
    ['kerberos.keytab = "/k"', (c) => [c.kerberos.keytab, c.management.auth], ['/k', ['kerberos', 'ntlm']]],
    [
      '[kerberos.accounts]\n"Alice@EXAMPLE.COM" = "admin"',
      (c) => [...c.kerberos.accounts],
      [['alice@example.com', 'admin']],
    ],
    ['management.anonymous_identify = true', (c) => c.management.anonymousIdentify, true],
    ['management.max_connections = 2000', (c) => c.management.maxConnections, 2000],
    ['management.channel_binding = "relaxed"', (c) => c.management.channelBinding, 'relaxed'],
    [
      'management.push_to = ["sink.example:443", "[::1]:80", "192.0.2.0/24", "2001:db8::/32"]',
      (c) => c.management.pushTo,
      ['sink.example:443', '[::1]:80', '192.0.2.0/24', '2001:db8::/32'],
    ],
    [
      '[management.roles]\nHelpdesk = "reader"\n"Ops on call" = "operator"\n"web.example" = "publisher"',
      (c) => [...c.management.roles],
      [
        ['Helpdesk', 'reader'],
        ['Ops on call', 'operator'],
        ['web.example', 'publisher'],
      ],
    ],
    ['management.roles."a.b" = "reader"', (c) => [...c.management.roles], [['a.b', 'reader']]],
    ['management.roles = {}', (c) => [...c.management.roles], []],
    ['server.bind = ["0.0.0.0", "::"]', (c) => c.server.bind, ['0.0.0.0', '::']],
    ['server.roots = ["/srv", "/images"]', (c) => c.server.roots, ['/srv', '/images']],
    ['server.require_tls = true', (c) => c.server.requireTls, true],
    ['server.anonymous = true', (c) => c.server.anonymous, true],
    ['server.persist = false', (c) => c.server.persist, false],
    ['server.channel_binding = "relaxed"', (c) => c.server.channelBinding, 'relaxed'],
    ['server.client_ca = "/ca.pem"', (c) => c.server.clientCa, '/ca.pem'],
    [
      '[server.certificates]\n"upn:Ann@Example.com" = "ann"',
      (c) => [...c.server.certificates],
      [['upn:ann@example.com', 'ann']],
    ],
    ['client.roots = ["/inbox"]', (c) => c.client.roots, ['/inbox']],
    ['client.trust = ["/ca.pem"]', (c) => c.client.trust, ['/ca.pem']],
    ['client.accounts.NetworkService = "carmine"', (c) => [...c.client.accounts], [['NetworkService', 'carmine']]],
    ['client.checkpoint_bytes = 65536', (c) => c.client.checkpointBytes, 65_536],
    ['client.checkpoint_bytes = 1073741824', (c) => c.client.checkpointBytes, 1_073_741_824],
    ['client.connections = 64', (c) => c.client.connections, 64],
    ['client.rate_bytes = 5000', (c) => c.client.rateBytes, 5_000],
    ['client.rate_timetable = ["1-5 08:00-18:00 10"]', (c) => c.client.rateTimetable, ['1-5 08:00-18:00 10']],
    ['metrics.http = "[::1]:9464"', (c) => c.metrics.http, { host: '::1', port: 9464 }],
    ['metrics.http = "localhost:0"', (c) => c.metrics.http, { host: 'localhost', port: 0 }],
  ])('%s', (text, pick, expected) => {
    expect(pick(parse(base + text))).toEqual(expected);
  });

  it('has the default that the documentation says', () => {
    expect(parse(base)).toEqual({
      stateDir: '/state',
      management: {
        http: { host: '127.0.0.1', port: 5985 },
        https: undefined,
        dcom: { resolver: undefined, exporter: undefined, level: 'integrity', callbacks: false },
        auth: ['kerberos', 'ntlm'],
        channelBinding: 'required',
        maxConnections: 300,
        anonymousIdentify: false,
        pushTo: [],
        tls: undefined,
        certificates: new Map(),
        roles: new Map(),
      },
      server: {
        bind: ['127.0.0.1'],
        roots: [],
        requireTls: false,
        anonymous: false,
        persist: true,
        channelBinding: 'required',
        clientCa: undefined,
        certificates: new Map(),
        minRateBytes: 1024,
        graceSeconds: 60,
        connectionLimit: 4096,
        accessLog: undefined,
        drainSeconds: 0,
      },
      client: {
        roots: [],
        trust: [],
        accounts: new Map(),
        checkpointBytes: 8_388_608,
        connections: undefined,
        backgroundYields: false,
        rateBytes: undefined,
        rateTimetable: [],
      },
      metrics: { http: undefined },
      kerberos: {
        keytab: undefined,
        accounts: new Map(),
        config: undefined,
        principal: undefined,
        allowRc4: undefined,
      },
    });
  });

  it.each([
    ['state_dir = "relative"', 'state_dir', 'expected an absolute path', 'management.http = "h:1"\n\n\n'],
    ['kerberos.accounts.alice = "x"', 'kerberos.accounts.alice', 'expected a principal, "user@REALM"'],
    ['kerberos.accounts."a@R" = 5', 'kerberos.accounts.a@R', 'expected the name of an account'],
    ['kerberos.config = "relative"', 'kerberos.config', 'expected an absolute path'],
    ['kerberos.principal = "host/a@R"', 'kerberos.principal', 'needs its key in a [kerberos] keytab'],
    ['kerberos.principal = "host/a"', 'kerberos.principal', 'expected a principal, "host/name@REALM"'],
    ['kerberos.keytab = "relative"', 'kerberos.keytab', 'expected an absolute path'],
    ['state_dir = 7', 'state_dir', 'expected an absolute path', 'management.http = "h:1"\n\n\n'],
    ['management.http = "127.0.0.1"', 'management.http', 'expected "host:port"', 'state_dir = "/s"\n\n\n'],
    ['management.http = 5985', 'management.http', 'expected "host:port"', 'state_dir = "/s"\n\n\n'],
    ['management.http = "h:65536"', 'management.http', 'expected "host:port"', 'state_dir = "/s"\n\n\n'],
    ['management.https = ":5986"', 'management.https', 'expected "host:port"'],
    ['management.https = "h:5986"', 'management.https', 'needs [management.tls] cert and key'],
    [
      'management.https = "h:5986"\nmanagement.tls.cert = "/c"',
      'management.https',
      'needs [management.tls] cert and key',
    ],
    [
      'management.dcom_exporter = "127.0.0.1:0"',
      'management.dcom_exporter',
      'needs management.dcom, where clients ask for it',
    ],
    ['management.dcom_level = "connect"', 'management.dcom_level', 'expected one of "integrity", "privacy"'],
    ['management.auth = "ntlm"', 'management.auth', 'expected a list'],
    [
      'management.auth = ["NTLM"]',
      'management.auth',
      'in the list: expected one of "kerberos", "ntlm", "basic", "certificate"',
    ],
    ['management.channel_binding = "off"', 'management.channel_binding', 'expected one of "required", "relaxed"'],
    ...['sink.example', 'http://sink.example:80', 'sink.example:0', '10.0.0.0', '10.0.0/8'].map(
      (entry): [string, string, string] => [
        `management.push_to = ["${entry}"]`,
        'management.push_to',
        'in the list: expected "host:port" or a network such as "192.0.2.0/24"',
      ],
    ),
    ['management.max_connections = 0', 'management.max_connections', 'expected an integer from 1 to 65535'],
    ['management.tls.cert = "c.pem"', 'management.tls.cert', 'expected an absolute path'],
    ['management.tls.key = true', 'management.tls.key', 'expected an absolute path'],
    ['server.bind = [""]', 'server.bind', 'in the list: expected a text'],
    ['server.roots = ["srv"]', 'server.roots', 'in the list: expected an absolute path'],
    ['server.require_tls = "yes"', 'server.require_tls', 'expected true or false'],
    ['server.anonymous = 1', 'server.anonymous', 'expected true or false'],
    ['server.persist = "true"', 'server.persist', 'expected true or false'],
    ['server.channel_binding = ""', 'server.channel_binding', 'expected one of "required", "relaxed"'],
    ['client.roots = [1]', 'client.roots', 'in the list: expected an absolute path'],
    ['client.trust = {}', undefined, undefined],
    [
      'client.accounts.Somebody = "u"',
      'client.accounts.Somebody',
      'the service accounts are LocalSystem, LocalService and NetworkService',
    ],
    ['client.accounts.LocalSystem = ""', 'client.accounts.LocalSystem', 'expected the name of a user'],
    ['client.accounts.LocalSystem = 0', 'client.accounts.LocalSystem', 'expected the name of a user'],
    [
      'management.auth = ["certificate"]\nmanagement.https = "h:1"\nmanagement.tls = { cert = "/c", key = "/k" }',
      'management.auth',
      '"certificate" needs client_ca in [management.tls]',
    ],
    ['management.tls.client_ca = "ca.pem"', 'management.tls.client_ca', 'expected an absolute path'],
    ...['abcd', 'upn:ann', 'upn:a@b@c', 'dns:', 'dns:*.example', 'cn:ann', `${'ab'.repeat(20)}0`].map(
      (key): [string, string, string] => [
        `management.certificates."${key}" = "admin"`,
        `management.certificates.${key}`,
        'expected a SHA-1 or SHA-256 thumbprint, "upn:user@host" or "dns:name"',
      ],
    ),
    ['management.certificates."dns:h" = ""', 'management.certificates.dns:h', 'expected the name of an account'],
    ['server.client_ca = "ca.pem"', 'server.client_ca', 'expected an absolute path'],
    [
      'server.certificates."h" = "a"',
      'server.certificates.h',
      'expected a SHA-1 or SHA-256 thumbprint, "upn:user@host" or "dns:name"',
    ],
    [
      'management.certificates = { "dns:h" = "a", "DNS:H" = "b" }',
      'management.certificates.DNS:H',
      'the same certificate is listed twice',
    ],
    [
      'management.roles.Helpdesk = "admin"',
      'management.roles.Helpdesk',
      'expected one of "reader", "operator", "publisher"',
    ],
    [
      'management.roles.Helpdesk = ["reader"]',
      'management.roles.Helpdesk',
      'expected one of "reader", "operator", "publisher"',
    ],
    [
      'management.roles.administrators = "reader"',
      'management.roles.administrators',
      'Administrators may do everything and need no role',
    ],
    ['client.checkpoint_bytes = 65535', 'client.checkpoint_bytes', 'expected an integer from 65536 to 1073741824'],
    ['client.checkpoint_bytes = 1073741825', 'client.checkpoint_bytes', 'expected an integer from 65536 to 1073741824'],
    ['client.connections = 0', 'client.connections', 'expected an integer from 1 to 64'],
    ['client.connections = 1.5', 'client.connections', 'expected an integer from 1 to 64'],
    ['client.connections = 99999999999999999999', undefined, undefined],
    ['metrics.http = "0.0.0.0:9464"', 'metrics.http', 'only a loopback address: metrics are not authenticated'],
  ])('%s is refused with its line', (text, key, reason, before = base) => {
    const error = failure(() => parse(before + text));
    expect(error.message).toMatch(/^agent\.toml:4: /);
    if (key !== undefined) {
      expect(error).toMatchObject({ code: 'configuration/invalid', kind: 'local' });
      expect(error.message).toBe(`agent.toml:4: ${key}: ${reason}`);
    }
  });

  it.each([
    ['management.http = "h:1"', 'agent.toml: state_dir is required: it is where the agent keeps its state'],
    [
      'state_dir = "/s"',
      'agent.toml: management.http is required: or management.https or management.dcom: without any nobody can manage this agent',
    ],
    ['', 'agent.toml: state_dir is required: it is where the agent keeps its state'],
  ])('%j lacks something', (text, message) => {
    expect(failure(() => parse(text))).toMatchObject({ code: 'configuration/missing', message });
  });
});

describe('unknown keys', () => {
  it.each([
    ['nonsense = 1', 'nonsense', 4],
    ['[server]\nbind = []\nroot = []', 'server.root', 6],
    ['[nonsense]\na = 1', 'nonsense', 4],
    ['[nonsense]', 'nonsense', 4],
    ['[management.nonsense]\n', 'management.nonsense', 4],
    ['[[server]]\nbind = []', 'server', 4],
    ['server = { bind = [], nonsense = 1 }', 'server.nonsense', 4],
    ['server.nonsense = {}', 'server.nonsense', 4],
    ['nonsense = {}', 'nonsense', 4],
    ['server = 1', 'server', 4],
    ['metrics.http = { host = "h" }', 'metrics.http', 4],
    ['management.tls.cert.file = "/c"', 'management.tls.cert.file', 4],
    ['Server.bind = []', 'Server.bind', 4],
    // what objects have without being asked
    ['constructor = 1', 'constructor', 4],
    ['toString = "x"', 'toString', 4],
    ['"__proto__" = 1', '__proto__', 4],
    // a quoted dot separates nothing
    ['"server.anonymous" = true', 'server.anonymous', 4],
    ['["client.accounts"]\nNetworkService = "u"', 'client.accounts', 4],
    ['"client.accounts".NetworkService = "u"', 'client.accounts.NetworkService', 4],
    ['management."roles.Helpdesk" = "reader"', 'management.roles.Helpdesk', 4],
    ['"management.roles".Helpdesk = "reader"', 'management.roles.Helpdesk', 4],
    ['["management.roles"]\nHelpdesk = "reader"', 'management.roles', 4],
    ['management.roles.a.b = "reader"', 'management.roles.a.b', 4],
    ['management.roles.a = {}', 'management.roles.a', 4],
    ['management.roles = "reader"', 'management.roles', 4],
    ['[management.roles.Helpdesk]', 'management.roles.Helpdesk', 4],
  ])('%j', (text, key, line) => {
    const error = failure(() => parse(base + text));
    expect(error).toMatchObject({
      code: 'configuration/unknown-key',
      message: `agent.toml:${line}: unknown key "${key}"`,
    });
  });

  it('every way to write a known key is understood', () => {
    const forms = [
      '[server]\nroots = ["/a"]',
      'server.roots = ["/a"]',
      'server = { roots = ["/a"] }',
      '"server".\'roots\' = ["/a"]',
      '[ server ]\n"roots" = [\n  "/a", # one\n]',
    ];
    for (const form of forms) expect(parse(base + form).server.roots, form).toEqual(['/a']);
    const accounts = ['[client.accounts]\nLocalSystem = "root"', 'client = { accounts = { LocalSystem = "root" } }'];
    for (const form of accounts)
      expect([...parse(base + form).client.accounts], form).toEqual([['LocalSystem', 'root']]);
  });
});

describe('syntax', () => {
  it.each([
    ['state_dir = ', 4],
    ['a = 1\na = 2', 5],
    ['[server', 4],
    ['server.bind = ["a"', 4],
    ['x = "unclosed', 4],
  ])('%j names its line', (text, line) => {
    const error = failure(() => parse(base + text));
    expect(error).toMatchObject({ code: 'configuration/syntax', kind: 'local' });
    expect(Number((error.context as { line: number }).line)).toBeGreaterThanOrEqual(line);
    expect(error.message).toMatch(/^agent\.toml:\d+: ./);
  });

  it('gives a configuration or a configuration error for any text', () => {
    const parts = fc.constantFrom(
      'state_dir',
      'server',
      'roots',
      '.',
      '=',
      '[',
      ']',
      '{',
      '}',
      '"/a"',
      "'",
      '"',
      '\n',
      '#',
      '1',
      'true',
      ',',
      ' ',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(parts).map((tokens) => tokens.join('')),
    );
    fc.assert(
      fc.property(text, (input) => {
        try {
          parse(base + input);
        } catch (error) {
          expect(CarmineError.from(error).code).toMatch(/^configuration\//);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('precedence', () => {
  const text = `${base}[server]\nroots = ["/file"]\n`;

  it('is flag over environment over file over default', () => {
    expect(parse(text).stateDir).toBe('/state');
    expect(parse(text, { environment: { CARMINE_STATE_DIR: '/environment' } }).stateDir).toBe('/environment');
    expect(parse(text, { environment: { CARMINE_STATE_DIR: '/environment' }, stateDir: '/flag' }).stateDir).toBe(
      '/flag',
    );
    expect(parse(text, { environment: { CARMINE_SERVER_ROOTS: '/a, /b' } }).server.roots).toEqual(['/a', '/b']);
    expect(parse(text).server.roots).toEqual(['/file']);
    expect(parse(base).server.roots).toEqual([]);
  });

  it.each<[string, string, (c: AgentConfiguration) => unknown, unknown]>([
    ['CARMINE_MANAGEMENT_HTTP', '[::1]:0', (c) => c.management.http, { host: '::1', port: 0 }],
    ['CARMINE_MANAGEMENT_AUTH', 'ntlm,basic', (c) => c.management.auth, ['ntlm', 'basic']],
    ['CARMINE_MANAGEMENT_CHANNEL_BINDING', 'relaxed', (c) => c.management.channelBinding, 'relaxed'],
    ['CARMINE_SERVER_REQUIRE_TLS', 'true', (c) => c.server.requireTls, true],
    ['CARMINE_SERVER_PERSIST', 'false', (c) => c.server.persist, false],
    ['CARMINE_CLIENT_CONNECTIONS', '8', (c) => c.client.connections, 8],
    ['CARMINE_METRICS_HTTP', '127.0.0.1:0', (c) => c.metrics.http, { host: '127.0.0.1', port: 0 }],
  ])('%s=%s', (name, value, pick, expected) => {
    expect(pick(parse(base, { environment: { [name]: value } }))).toEqual(expected);
  });

  it.each([
    ['CARMINE_SERVER_REQUIRE_TLS', 'yes', 'server.require_tls'],
    ['CARMINE_CLIENT_CONNECTIONS', '-1', 'client.connections'],
    ['CARMINE_CLIENT_ROOTS', 'inbox', 'client.roots'],
    ['CARMINE_MANAGEMENT_HTTP', '', 'management.http'],
  ])('a bad %s=%s is refused, and the variable is named', (name, value, key) => {
    const error = failure(() => parse(base, { environment: { [name]: value } }));
    expect(error).toMatchObject({ code: 'configuration/invalid' });
    expect(error.message).toContain(`environment:${name}: ${key}: `);
  });
});

describe('what init writes', () => {
  it.each(['server', 'client'] as const)('is a %s configuration that is safe as it stands', (role) => {
    const text = defaultConfiguration(role, '/var/lib/"odd" \\ path');
    const configuration = parse(text, { role });
    expect(configuration.stateDir).toBe('/var/lib/"odd" \\ path');
    expect(configuration.management).toMatchObject({
      http: { host: '127.0.0.1', port: 5985 },
      https: undefined,
      auth: ['kerberos', 'ntlm'],
    });
    expect(configuration.server).toMatchObject({ bind: ['127.0.0.1'], roots: [], anonymous: false });
    expect(configuration.client.roots).toEqual([]);
    expect(configuration.metrics.http).toBeUndefined();
    expect(configuration.management.roles).toEqual(new Map());
    expect(configurationWarnings(role, configuration, false)).toEqual([
      role === 'server'
        ? 'server.roots is empty: nothing can be published'
        : 'client.roots is empty: no job can be created',
    ]);
  });

  it.each(['server', 'client'] as const)('mentions only keys that exist: %s', (role) => {
    const text = defaultConfiguration(role, '/s')
      .replace(/^# (?=(\[|\w+ *= |"[^"]+" *= ))/gm, '')
      .replace('https = "0.0.0.0:5986"', '');
    const configuration = parse(text, { role });
    expect(configuration.management.tls).toEqual({
      cert: '/etc/carmine/management.pem',
      key: '/etc/carmine/management.key',
      clientCa: '/etc/carmine/managers.pem',
    });
    expect([...configuration.management.certificates]).toEqual([['dns:admin.example.com', 'admin']]);
    expect(configuration.metrics.http).toEqual({ host: '127.0.0.1', port: 9464 });
    expect(configuration.management.channelBinding).toBe('relaxed');
    expect([...configuration.management.roles]).toEqual([['Helpdesk', 'reader']]);
    if (role === 'client') expect([...configuration.client.accounts]).toEqual([['NetworkService', 'carmine']]);
  });
});

describe('warnings', () => {
  const warn = (text: string, role: AgentRole = 'server', databaseKeys = false) =>
    configurationWarnings(role, parse(base + text, { role }), databaseKeys);
  const rooted = 'server.roots = ["/a"]\nclient.roots = ["/a"]\n';

  it.each<[string, AgentRole, string[]]>([
    [`${rooted}management.auth = ["ntlm"]`, 'server', []],
    [`${rooted}management.auth = ["ntlm"]`, 'client', []],
    [rooted, 'server', []],
    [
      `${rooted}management.auth = ["kerberos"]`,
      'server',
      [
        'management.auth: "kerberos" is not offered: there are no keys: neither [kerberos] keytab nor imported with "account import-keytab"',
      ],
    ],
    [
      `${rooted}kerberos.keytab = "/k"\nkerberos.allow_rc4 = true`,
      'server',
      ['kerberos.allow_rc4: tickets encrypted with rc4-hmac, which is weak, are accepted'],
    ],
    [
      `${rooted}kerberos.accounts."a@R" = "x"`,
      'server',
      [
        'kerberos.accounts has no effect: there are no keys: neither [kerberos] keytab nor imported with "account import-keytab"',
      ],
    ],
    [`${rooted}kerberos.keytab = "/k"\nkerberos.accounts."a@R" = "x"`, 'server', []],
    [
      `${rooted}management.auth = ["basic", "certificate"]`,
      'server',
      [
        'management.auth: "basic" is offered over https only, and management.https is off',
        'management.auth: "certificate" is offered over https only, and management.https is off',
        'management.certificates is empty: no client certificate stands for anybody',
      ],
    ],
    [
      `${rooted}management.auth = ["ntlm"]\nmanagement.certificates = { "dns:h" = "admin" }`,
      'server',
      ['management.certificates has no effect: "certificate" is not in management.auth'],
    ],
    [
      `${rooted}server.client_ca = "/ca.pem"`,
      'server',
      ['server.certificates is empty: no client certificate stands for anybody'],
    ],
    [
      `${rooted}server.certificates = { "dns:h" = "reader" }`,
      'server',
      ['server.certificates has no effect: [server] client_ca is not set'],
    ],
  ])('%j as %s', (text, role, expected) => {
    expect(warn(text, role)).toEqual(expected);
  });

  it('says nothing of Kerberos that has its keys from the account database, or NTLM beside it', () => {
    const text = `${rooted}management.auth = ["kerberos"]\nkerberos.accounts."a@R" = "x"`;
    expect(warn(text, 'server', true)).toEqual([]);
    expect(warn(`${rooted}management.auth = ["kerberos", "ntlm"]`)).toEqual([]);
  });

  it('tells what weakens', () => {
    const text = `${rooted}management.auth = []\nmanagement.anonymous_identify = true\nmanagement.channel_binding = "relaxed"\nserver.channel_binding = "relaxed"\nserver.anonymous = true`;
    expect(warn(text)).toEqual([
      'management.anonymous_identify: anybody who asks learns that Carmine runs here',
      'management.channel_binding: relaxed: logons may be relayed by a machine in the middle',
      'server.anonymous: groups with all schemes off serve anybody',
      'server.channel_binding: relaxed: logons may be relayed by a machine in the middle',
    ]);
    // A client has no URL groups.
    expect(warn(text, 'client')).toHaveLength(2);
  });
});
