import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { generateCertificate, runAgentProgram } from '../src/node/index.ts';
import { captured, temporaryFolder } from './support.ts';
import { clientProgram, serverProgram } from './support-program.ts';

/** Runs one command line; the exit code is `result`. */
const run = (argv: string[], { program = serverProgram, environment = {} as Record<string, string> } = {}) =>
  captured(() => runAgentProgram(program, argv), environment);

/** A folder with a configuration that init wrote. */
async function initialised(program = serverProgram) {
  const folder = temporaryFolder();
  const config = join(folder, 'agent.toml');
  expect((await run(['init', '--config', config, '--state-dir', join(folder, 'state')], { program })).result).toBe(0);
  return { folder, config, stateDir: join(folder, 'state') };
}

describe('help and usage', () => {
  it.each([[['help']], [['--help']], [['account', 'add', '--help']]])('%j prints help', async (argv) => {
    const { result, stdout, stderr } = await run(argv);
    expect(result).toBe(0);
    expect(stderr).toBe('');
    for (const verb of [
      'init',
      'check',
      'run',
      'account add',
      'account list',
      'account remove',
      'account import-keytab',
      'account remove-keys',
      'certificate generate',
      'certificate import',
      'certificate list',
    ])
      expect(stdout).toContain(`carmine-server ${verb} `);
  });

  it('without arguments prints help and is a usage error', async () => {
    expect(await run([])).toMatchObject({ result: 2, stdout: expect.stringContaining('carmine-server init') });
  });

  it.each<[string[], string]>([
    [['nonsense'], 'carmine-server: there is no command "nonsense"; see "carmine-server help"\n'],
    [['account'], 'carmine-server: there is no command "account"; see "carmine-server help"\n'],
    [['account', 'rename'], 'carmine-server: there is no command "account rename"; see "carmine-server help"\n'],
    [['check'], 'carmine-server: --config is missing\n'],
    [['check', '--nonsense'], "carmine-server: Unknown option '--nonsense'\n"],
    [['init', '--config'], "carmine-server: Option '--config <value>' argument missing\n"],
  ])('%j is a usage error', async (argv, stderr) => {
    expect(await run(argv)).toEqual({ result: 2, stdout: '', stderr });
  });
});

describe('init', () => {
  it.each([serverProgram, clientProgram])('writes what check then accepts: $name', async (program) => {
    const { config, stateDir } = await initialised(program);
    expect(statSync(config).mode & 0o777).toBe(0o600);
    expect(statSync(stateDir).mode & 0o777).toBe(0o700);
    const { result, stdout, stderr } = await run(['check', '--config', config, '--json'], { program });
    expect([result, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({
      schema: 'carmine.check/1',
      role: program.role,
      stateDir,
      listen: { wsman: { http: '127.0.0.1:5985', https: null }, metrics: null },
      auth: ['kerberos', 'ntlm'],
      kerberos: [],
      roots: [],
    });
  });

  it('tells what it did and what comes next, and lets the program do its part', async () => {
    const folder = temporaryFolder();
    const config = join(folder, 'new', 'agent.toml');
    const program = { ...serverProgram, initialise: async () => ['a certificate was made'] };
    const { result, stdout } = await run(['init', '--config', config], { program });
    expect(result).toBe(0);
    expect(stdout.split('\n')).toEqual([
      `wrote ${config}`,
      `state in ${join(folder, 'new', 'carmine-server')}`,
      'a certificate was made',
      `next: carmine-server account add NAME --config ${config} --groups Administrators`,
      '',
    ]);
    expect(existsSync(join(folder, 'new', 'carmine-server'))).toBe(true);
  });

  it('overwrites nothing', async () => {
    const { config } = await initialised();
    const before = readFileSync(config, 'utf8');
    const { result, stderr } = await run(['init', '--config', config]);
    expect([result, stderr]).toEqual([2, `carmine-server: ${config} exists already\n`]);
    expect(readFileSync(config, 'utf8')).toBe(before);
  });
});

describe('check', () => {
  it('prints what would be listened on, and warns', async () => {
    const { config, stateDir } = await initialised();
    const environment = { CARMINE_METRICS_HTTP: '127.0.0.1:9464', CARMINE_SERVER_ROOTS: '/srv,/images' };
    const { stdout } = await run(['check', '--config', config], { environment });
    expect(stdout.split('\n')).toEqual([
      `state                  ${stateDir}`,
      'WS-Management http     127.0.0.1:5985 (sealed messages only)',
      'WS-Management https    off',
      'URL groups on          127.0.0.1',
      'metrics                127.0.0.1:9464',
      'authentication         kerberos (no keys), ntlm',
      'channel binding        required; URL groups required',
      'roots                  /srv, /images',
      '',
    ]);
    expect((await run(['check', '--config', config])).stdout).toContain('warning: server.roots is empty');
  });

  it('shows roles, when there are some', async () => {
    const { config } = await initialised();
    expect((await run(['check', '--config', config])).stdout).not.toContain('role ');
    writeFileSync(config, `${readFileSync(config, 'utf8')}\n[management.roles]\nHelpdesk = "reader"\n`);
    expect((await run(['check', '--config', config])).stdout).toContain('\nrole                   Helpdesk: reader\n');
    const { stdout } = await run(['check', '--config', config, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ roles: { Helpdesk: 'reader' } });
    writeFileSync(config, `${readFileSync(config, 'utf8')}Web = "owner"\n`);
    const { result, stderr } = await run(['check', '--config', config]);
    expect([result, stderr]).toEqual([
      2,
      expect.stringMatching(/:\d+: management\.roles\.Web: expected one of "reader", "operator", "publisher"\n$/),
    ]);
  });

  it('shows client certificates, and wants to read the file of their issuers', async () => {
    const folder = temporaryFolder();
    const config = join(folder, 'agent.toml');
    const file = JSON.stringify(join(folder, 'some.pem'));
    writeFileSync(join(folder, 'some.pem'), '');
    const text = (clientCa: string) =>
      `state_dir = "/s"\n[management]\nhttps = "h:1"\nauth = ["certificate"]\n[management.tls]\ncert = ${file}\nkey = ${file}\nclient_ca = ${clientCa}\n[management.certificates]\n"dns:a.example" = "admin"\n`;
    writeFileSync(config, text(file));
    expect((await run(['check', '--config', config])).stdout).toContain(
      '\nclient certificate     dns:a.example: admin\n',
    );
    const { stdout } = await run(['check', '--config', config, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      certificates: { 'dns:a.example': 'admin' },
      warnings: ['server.roots is empty: nothing can be published'],
    });
    writeFileSync(config, text('"/none/ca.pem"'));
    const { result, stderr } = await run(['check', '--config', config]);
    expect([result, stderr]).toEqual([2, 'carmine-server: cannot read /none/ca.pem: ENOENT\n']);
  });

  it('takes --config from the environment, and --state-dir over the file', async () => {
    const { config, folder } = await initialised();
    const { stdout } = await run(['check', '--state-dir', join(folder, 'other'), '--json'], {
      environment: { CARMINE_CONFIG: config },
    });
    expect(JSON.parse(stdout)).toMatchObject({ stateDir: join(folder, 'other') });
  });

  it.each([
    ['state_dir = "/s"\nmanagement.http = "h"', /agent\.toml:2: management\.http: expected "host:port"/],
    ['nonsense = 1', /agent\.toml:1: unknown key "nonsense"/],
    ['x = ', /agent\.toml:1: /],
    [
      'state_dir = "/s"\nmanagement.https = "h:1"\nmanagement.tls = { cert = "/none/c", key = "/none/k" }',
      /cannot read \/none\/c: ENOENT/,
    ],
  ])('refuses %j', async (text, message) => {
    const config = join(temporaryFolder(), 'agent.toml');
    writeFileSync(config, text);
    const { result, stdout, stderr } = await run(['check', '--config', config]);
    expect([result, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('says that there is no file', async () => {
    expect(await run(['check', '--config', '/none/agent.toml'])).toEqual({
      result: 2,
      stdout: '',
      stderr: 'carmine-server: cannot read /none/agent.toml: no such file\n',
    });
  });
});

describe('account', () => {
  it('adds, lists and removes', async () => {
    const { config, folder, stateDir } = await initialised();
    const password = join(folder, 'password');
    writeFileSync(password, 'correct horse\n');
    const added = await run([
      'account',
      'add',
      'admin',
      '--config',
      config,
      '--groups',
      'Administrators, Users',
      '--password-file',
      password,
    ]);
    expect(added.result, added.stderr).toBe(0);
    expect(added.stdout).toMatch(/^admin {2}S-1-5-21-\d+-\d+-\d+-\d+ {2}Administrators,Users\n$/);
    const reader = await run(['account', 'add', 'reader', '--config', config, '--json'], {
      environment: { CARMINE_PASSWORD_FILE: password },
    });
    expect(JSON.parse(reader.stdout)).toMatchObject({ schema: 'carmine.account/1', name: 'reader', groups: ['Users'] });
    const list = JSON.parse((await run(['account', 'list', '--config', config, '--json'])).stdout) as {
      accounts: { name: string }[];
    };
    expect(list.accounts.map(({ name }) => name)).toEqual(['admin', 'reader']);
    expect((await run(['account', 'list', '--config', config])).stdout.split('\n')).toHaveLength(3);
    expect(await run(['account', 'remove', 'reader', '--config', config])).toEqual({
      result: 0,
      stdout: '',
      stderr: '',
    });
    expect((await run(['account', 'list', '--config', config])).stdout).not.toContain('reader');
    for (const file of ['accounts.json', 'accounts.key']) {
      expect(statSync(join(stateDir, file)).mode & 0o777).toBe(0o600);
      expect(readFileSync(join(stateDir, file), 'latin1')).not.toContain('correct horse');
    }
  });

  it('takes the password from stdin', async () => {
    const { config } = await initialised();
    const stdin = new PassThrough();
    stdin.end('from stdin\n');
    const spy = vi.spyOn(process, 'stdin', 'get').mockReturnValue(stdin as unknown as typeof process.stdin);
    try {
      expect((await run(['account', 'add', 'admin', '--config', config, '--password-stdin'])).result).toBe(0);
    } finally {
      spy.mockRestore();
    }
  });

  it('refuses what cannot be', async () => {
    const { config, folder } = await initialised();
    const password = join(folder, 'password');
    writeFileSync(password, 'x');
    const add = (name: string) => run(['account', 'add', name, '--config', config, '--password-file', password]);
    expect((await add('admin')).result).toBe(0);
    expect(await add('ADMIN')).toMatchObject({ result: 2, stderr: expect.stringContaining('exists already') });
    expect(await add('a@b')).toMatchObject({ result: 2, stdout: '' });
    expect(await run(['account', 'remove', 'none', '--config', config])).toMatchObject({
      result: 2,
      stderr: 'carmine-server: there is no account none\n',
    });
    expect(await run(['account', 'add', '--config', config])).toMatchObject({
      result: 2,
      stderr: 'carmine-server: NAME is missing\n',
    });
    expect(await run(['account', 'add', 'x', '--config', config, '--password', 'secret'])).toMatchObject({
      result: 2,
      stderr: expect.not.stringContaining('secret'),
    });
  });
});

describe('certificate', () => {
  it('generates, lists and imports', async () => {
    const { config, folder, stateDir } = await initialised();
    const made = await run([
      'certificate',
      'generate',
      '--config',
      config,
      '--name',
      'one.example',
      '--name',
      '192.0.2.1',
      '--json',
    ]);
    expect(made.result, made.stderr).toBe(0);
    const document = JSON.parse(made.stdout) as { thumbprint: string; file: string };
    expect(document).toMatchObject({ schema: 'carmine.stored-certificate/1', subject: 'CN=one.example' });
    expect(document.file).toBe(join(stateDir, 'certificates', 'MY', `${document.thumbprint}.pem`));

    const { certificate, privateKey } = await generateCertificate(['two.example'], Date.now());
    writeFileSync(join(folder, 'cert.pem'), certificate);
    writeFileSync(join(folder, 'key.pem'), privateKey);
    const files = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const imported = await run(['certificate', 'import', ...files, '--config', config, '--store', 'Web']);
    expect(imported.stdout).toMatch(/^[0-9A-F]{40} {2}CN=two\.example\n/);

    const list = JSON.parse((await run(['certificate', 'list', '--config', config, '--json'])).stdout) as {
      certificates: { store: string; subject: string; sha256: string }[];
    };
    expect(list.certificates.map(({ store, subject }) => [store, subject])).toEqual([
      ['MY', 'CN=one.example'],
      ['WEB', 'CN=two.example'],
    ]);
    expect((await run(['certificate', 'list', '--config', config])).stdout).toContain(document.thumbprint);
  });

  it('never prints a key', async () => {
    const { config } = await initialised();
    for (const argv of [
      ['certificate', 'generate', 'x.example'],
      ['certificate', 'list'],
      ['certificate', 'list', '--json'],
    ])
      expect((await run([...argv, '--config', config])).stdout).not.toContain('PRIVATE KEY');
  });

  it('refuses what cannot be', async () => {
    const { config, folder } = await initialised();
    const { certificate } = await generateCertificate(['two.example'], Date.now());
    writeFileSync(join(folder, 'cert.pem'), certificate);
    const attempt = (...argv: string[]) => run(['certificate', ...argv, '--config', config]);
    expect(await attempt('generate')).toMatchObject({ result: 2, stderr: 'carmine-server: --name HOST is missing\n' });
    expect(await attempt('generate', '--name', 'a b')).toMatchObject({ result: 2 });
    expect(await attempt('generate', '--name', 'x', '--store', '../x')).toMatchObject({ result: 2 });
    expect(await attempt('import')).toMatchObject({ result: 2 });
    expect(await attempt('import', join(folder, 'none.pem'))).toMatchObject({
      result: 2,
      stderr: expect.stringContaining('ENOENT'),
    });
    expect(await attempt('import', join(folder, 'cert.pem'))).toMatchObject({
      result: 2,
      stderr: expect.stringContaining('no usable certificate'),
    });
    expect((await attempt('list')).stdout).toBe('');
  });
});

describe('run', () => {
  it('prints one line when ready, and ends in order on SIGTERM', async () => {
    const { config } = await initialised();
    const service = { providers: {}, start: async () => {}, stop: async () => {} };
    const program = { ...serverProgram, createService: async () => service };
    const before = process.listenerCount('SIGTERM');
    const { result, stdout, stderr } = await captured(
      async () => {
        const running = runAgentProgram(program, ['run', '--config', config]);
        // Nobody is told before it listens.
        await vi.waitUntil(() => process.listenerCount('SIGTERM') > before);
        process.emit('SIGTERM');
        return running;
      },
      { CARMINE_MANAGEMENT_HTTP: '127.0.0.1:0' },
    );
    expect(result).toBe(0);
    const [line, ...rest] = stdout.split('\n');
    expect(rest).toEqual(['']);
    expect(JSON.parse(line ?? '')).toEqual({
      ready: true,
      role: 'server',
      wsman: { http: expect.stringMatching(/^127\.0\.0\.1:[1-9]\d*$/), https: null },
      dcom: { resolver: null, exporter: null },
      metrics: null,
    });
    expect(stderr).toContain('warn there are no accounts');
    expect(stderr).toContain('stopping on SIGTERM');
    expect(stderr.trimEnd().endsWith('info stopped')).toBe(true);
  });

  it('fails with a message when it cannot start, and our own bugs with a stack', async () => {
    const { config } = await initialised();
    const environment = { CARMINE_MANAGEMENT_HTTP: '127.0.0.1:0' };
    const taken = await run(['run', '--config', config], {
      environment: { CARMINE_MANAGEMENT_HTTP: '192.0.2.254:1' },
      program: {
        ...serverProgram,
        createService: async () => ({ providers: {}, start: async () => {}, stop: async () => {} }),
      },
    });
    expect(taken).toMatchObject({
      result: 2,
      stdout: '',
      stderr: expect.stringContaining(
        'carmine-server: cannot listen on 192.0.2.254:1: this machine does not have that address\n',
      ),
    });
    const bug = await run(['run', '--config', config], { environment });
    expect(bug).toMatchObject({ result: 1, stdout: '' });
    expect(bug.stderr).toMatch(/unexpected failure: must not be called\n.*\n {4}at /s);
  });
});
