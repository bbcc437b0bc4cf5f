import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { createHttpInitiator } from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import { createSandbox, exitOf, freePort, type Sandbox } from '@carmine/testkit/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Both agents and the command line as real processes: what a person gets to see when something is wrong. */
let sandbox: Sandbox;
let port: number;
let onServer: string;
let onClient: string;
let prefix: string;

beforeAll(async () => {
  sandbox = await createSandbox();
  const { images, server, client, user, folder, command } = sandbox;
  await writeFile(join(images, 'file'), 'content');
  await writeFile(join(folder, 'outside'), 'secret');
  await symlink(join(folder, 'outside'), join(images, 'link'));
  await mkdir(join(images, 'folder'));
  for (const [role, { config }] of [
    ['server', server],
    ['client', client],
  ] as const) {
    await command(role, [
      'account',
      'add',
      'plain',
      '--config',
      config,
      '--groups',
      'Users',
      '--password-file',
      join(folder, 'password'),
    ]);
  }
  await writeFile(join(folder, 'wrong'), 'wrong\n');
  await Promise.all([server.start(), client.start()]);
  port = await freePort();
  onServer = `wsman://${user}@127.0.0.1:${server.port}`;
  onClient = `wsman://${user}@127.0.0.1:${client.port}`;
  prefix = `http://+:${port}/errors/`;
  await command('controller', ['url-group', 'create', prefix, '--on', onServer]);
  await command('controller', ['url', 'create', prefix, 'taken', join(images, 'file'), '--on', onServer]);
}, 60_000);
afterAll(() => sandbox.close());

interface Failure {
  readonly code: string;
  readonly hresult: string | null;
  readonly message: string;
  readonly hint: string | null;
  readonly exitCode: number;
}

async function fail(args: readonly string[]): Promise<Failure> {
  const child = sandbox.spawn('controller', [...args, '--json'], 'pipe');
  let [stdout, stderr] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = await exitOf(child);
  const failure = JSON.parse(stdout) as Failure;
  expect(failure.exitCode).toBe(code);
  // One line that says what is wrong, and nothing of the inside.
  expect(stderr).toMatch(/^carmine: .+/m);
  expect(stderr).not.toMatch(/at .*\.ts:\d+/);
  return failure;
}

type Row = readonly [what: string, args: () => string[], exitCode: number, hresult: string | null, text: RegExp];

const rows: readonly Row[] = [
  [
    'a two-level URL group',
    () => ['url-group', 'create', 'https://+:80/Carmine1/Carmine2', '--on', onServer],
    2,
    '0x80070057',
    /two-level URL groups are not supported/,
  ],
  [
    'a prefix without port',
    () => ['url-group', 'create', 'http://host/x', '--on', onServer],
    2,
    '0x80070057',
    /the port is missing/,
  ],
  [
    'a prefix with a port out of range',
    () => ['url-group', 'create', 'http://+:70000/', '--on', onServer],
    2,
    '0x80070057',
    /the port must be 1 to 65535/,
  ],
  [
    'a prefix of another scheme',
    () => ['url-group', 'create', 'ftp://+:80/x', '--on', onServer],
    2,
    '0x80070057',
    /http or https/,
  ],
  [
    'a source outside the roots',
    () => ['url', 'create', prefix, 'x', join(sandbox.folder, 'outside'), '--on', onServer],
    4,
    '0x80070005',
    /access is denied/,
  ],
  [
    'a source outside through a link',
    () => ['url', 'create', prefix, 'x', join(sandbox.images, 'link'), '--on', onServer],
    4,
    '0x80070005',
    /access is denied/,
  ],
  [
    'a source outside through dots',
    () => ['url', 'create', prefix, 'x', `${sandbox.images}/../outside`, '--on', onServer],
    4,
    '0x80070005',
    /access is denied/,
  ],
  [
    'a source that is missing',
    () => ['url', 'create', prefix, 'x', join(sandbox.images, 'missing'), '--on', onServer],
    10,
    '0x80070002',
    /does not exist/,
  ],
  [
    'a source that is a folder',
    () => ['url', 'create', prefix, 'x', join(sandbox.images, 'folder'), '--on', onServer],
    2,
    '0x80070057',
    /not valid/,
  ],
  [
    'a suffix with dots',
    () => ['url', 'create', prefix, '../x', join(sandbox.images, 'file'), '--on', onServer],
    2,
    '0x80070057',
    /not valid/,
  ],
  [
    'a suffix that is taken',
    () => ['url', 'create', prefix, 'taken', join(sandbox.images, 'missing'), '--on', onServer],
    6,
    '0x800700B7',
    /exists already/,
  ],
  [
    'an SDDL that is none',
    () => ['url', 'create', prefix, 'x', join(sandbox.images, 'file'), '--sddl', 'D:(A;;', '--on', onServer],
    6,
    '0x80070538',
    /security descriptor/,
  ],
  [
    'a group that is not there',
    () => ['url', 'create', 'http://+:9/none', 'x', join(sandbox.images, 'file'), '--on', onServer],
    3,
    '0x80070490',
    /no URL group/,
  ],
  [
    'a URL that is not there',
    () => ['url', 'delete', prefix, 'none', '--on', onServer],
    3,
    '0x80070490',
    /does not exist|no URL/,
  ],
  [
    'a certificate that is not there',
    () => ['certificate', 'set', '8443', '--thumbprint', '00'.repeat(20), '--on', onServer],
    6,
    '0x80092004',
    /certificate/,
  ],
  [
    'a bandwidth below the minimum',
    () => ['url-group', 'property', prefix, 'BandwidthLimit', '1023', '--on', onServer],
    2,
    '0x80070057',
    /not valid/,
  ],
  [
    'a destination outside the roots',
    () => ['job', 'create', 'n', 'http://127.0.0.1:9/x', join(sandbox.folder, 'x'), '--suspended', '--on', onClient],
    4,
    '0x80070005',
    /denied/,
  ],
  [
    'a destination in a missing folder',
    () => [
      'job',
      'create',
      'n',
      'http://127.0.0.1:9/x',
      join(sandbox.inbox, 'none/x'),
      '--suspended',
      '--on',
      onClient,
    ],
    10,
    '0x80070003',
    /folder does not exist/,
  ],
  [
    'a relative destination',
    () => ['job', 'create', 'n', 'http://127.0.0.1:9/x', 'x', '--suspended', '--on', onClient],
    10,
    '0x8007007B',
    /path is not valid/,
  ],
  [
    'a URL that is none',
    () => ['job', 'create', 'n', 'nonsense', join(sandbox.inbox, 'x'), '--suspended', '--on', onClient],
    2,
    '0x80072EE5',
    /URL is malformed/,
  ],
  [
    'a URL of another scheme',
    () => ['job', 'create', 'n', 'ftp://h/x', join(sandbox.inbox, 'x'), '--suspended', '--on', onClient],
    6,
    '0x80072EE6',
    /scheme/,
  ],
  [
    'an account that the agent cannot run as',
    () => [
      'job',
      'create',
      'n',
      'http://127.0.0.1:9/x',
      join(sandbox.inbox, 'x'),
      '--account',
      'LocalSystem',
      '--on',
      onClient,
    ],
    4,
    '0x80070005',
    /denied/,
  ],
  [
    'an upload',
    () => ['job', 'create', 'n', 'http://127.0.0.1:9/x', join(sandbox.inbox, 'x'), '--upload', '--on', onClient],
    6,
    '0x80004001',
    /not implemented|not supported/,
  ],
  [
    'a job that is not there',
    () => ['job', 'show', '00000000-0000-0000-0000-000000000000', '--on', onClient],
    3,
    '0x80200001',
    /no job/,
  ],
  ['a job on a server agent', () => ['job', 'list', '--on', onServer], 3, '0x80041010', /no class|class/i],
  [
    'an account that is not there',
    () => [
      'copy',
      `${onServer}${sandbox.images}/file`,
      `${onClient}${sandbox.inbox}/x`,
      '--fetch-as',
      'ghost',
      '--fetch-password-file',
      join(sandbox.folder, 'wrong'),
      '--url-group',
      prefix,
    ],
    3,
    '0x80041002',
    /account ghost/,
  ],
  [
    'a wrong password',
    () => ['job', 'list', '--on', onClient, '--password-file', join(sandbox.folder, 'wrong')],
    4,
    '0x80070005',
    /authentication failed/,
  ],
  [
    'an unknown user',
    () => ['job', 'list', '--on', onClient.replace('admin@', 'ghost@')],
    4,
    '0x80070005',
    /authentication failed/,
  ],
  [
    'a caller outside Administrators',
    () => ['job', 'list', '--on', onClient.replace('admin@', 'plain@')],
    4,
    '0x80041003',
    /access (is )?denied/i,
  ],
  [
    'the same, reading',
    () => ['url-group', 'show', prefix, '--on', onServer.replace('admin@', 'plain@')],
    4,
    '0x80041003',
    /access (is )?denied/i,
  ],
  [
    'the same, asking who is there',
    () => ['ping', onServer.replace('admin@', 'plain@')],
    4,
    '0x80041003',
    /access (is )?denied/i,
  ],
  ['a machine that does not listen', () => ['ping', 'wsman://admin@127.0.0.1:9'], 5, '0x80072EFD', /cannot reach/],
  ['a host that does not exist', () => ['ping', 'wsman://admin@carmine.invalid'], 3, '0x80072EFD', /cannot reach/],
  ['no target', () => ['job', 'list'], 2, null, /--on TARGET is missing/],
  ['a command that is none', () => ['job', 'explode'], 2, null, /there is no command/],
];

describe('errors that people see', () => {
  it.each(rows)('%s', async (_what, args, exitCode, hresult, text) => {
    const failure = await fail(args());
    expect(failure).toMatchObject({ exitCode, hresult });
    expect(failure.message).toMatch(text);
    // Whatever carries an HRESULT says what can be done.
    if (hresult !== null) expect(failure.hint).toMatch(/\w/);
  });
});

/** One NTLM-authenticated connection that sends whatever it is told, unsealed. */
async function unsealed(body: string): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const post = (content: string, authorization?: string) =>
    new Promise<{ status: number; challenges: string[] }>((resolve, reject) => {
      const headers = {
        'Content-Type': 'application/soap+xml;charset=UTF-8',
        ...(authorization === undefined ? {} : { authorization }),
      };
      const outgoing = request(
        { agent, host: '127.0.0.1', port: sandbox.server.port, path: '/wsman', method: 'POST', headers },
        (incoming) => {
          incoming.resume();
          incoming.on('end', () =>
            resolve({
              status: incoming.statusCode ?? 0,
              challenges: ([] as string[]).concat(incoming.headers['www-authenticate'] ?? []),
            }),
          );
        },
      );
      outgoing.on('error', reject);
      outgoing.end(content);
    });
  const initiator = createHttpInitiator({
    credentials: { user: sandbox.user, password: sandbox.password },
    schemes: ['negotiate'],
    environment: systemEnvironment,
    host: '127.0.0.1',
    service: 'WSMAN',
    secureTransport: false,
  });
  let answer = await post('');
  while (answer.status === 401) answer = await post('', initiator.next(answer.challenges));
  const { status } = await post(body);
  agent.destroy();
  return status;
}

describe('messages that are not sealed', () => {
  // Malformed SOAP by authenticated callers has its own table, fault by fault, in packages/wsman/test.
  it.each([
    ['well-formed SOAP', '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body/></s:Envelope>'],
    ['no XML', 'garbage'],
  ])('%s is refused with 500 on http, even after authentication', async (_what, body) => {
    expect(await unsealed(body)).toBe(500);
  });
});
