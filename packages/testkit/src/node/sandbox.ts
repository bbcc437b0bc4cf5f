import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export type Program = 'server' | 'client' | 'controller';

const apps = fileURLToPath(new URL('../../../../apps', import.meta.url));
const compileCache = fileURLToPath(new URL('../../../../node_modules/.cache/carmine', import.meta.url));
const programs: Readonly<Record<Program, string>> = {
  server: `${apps}/server-agent/src/main.ts`,
  client: `${apps}/client-agent/src/main.ts`,
  controller: `${apps}/controller/src/main.ts`,
};

/** An agent that runs as a process of its own. */
export interface AgentProcess {
  readonly child: ChildProcess;
  /** The line that `run` printed. */
  readonly ready: {
    readonly wsman: { readonly http: string | null; readonly https: string | null };
    readonly dcom: { readonly resolver: string | null; readonly exporter: string | null };
    readonly metrics: string | null;
  };
  /** Everything on stderr so far. */
  log(): string;
  /** Ends it; resolves when it is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** What `createSandbox` sets up for one agent. */
export interface SandboxAgent {
  readonly config: string;
  readonly port: number;
  /** Management over https; only where asked for. */
  readonly securePort: number | undefined;
  start(): Promise<AgentProcess>;
}

/**
 * The programs of this repository, run from source as processes in a temporary folder: a server agent and a client agent
 * with certificates and accounts. For the demo, the foreign-peer suite, torture and benchmarks.
 */
export interface Sandbox {
  readonly folder: string;
  /** The only root of the server agent. */
  readonly images: string;
  /** The only root of the client agent. */
  readonly inbox: string;
  readonly user: string;
  readonly password: string;
  /** Environment in which `carmine` finds the password. */
  readonly environment: Readonly<Record<string, string>>;
  readonly server: SandboxAgent;
  readonly client: SandboxAgent;
  /** Certificate of the server for 127.0.0.1 and localhost, in its store MY. */
  readonly certificate: { readonly thumbprint: string; readonly file: string };
  /** Runs a program to its end and returns its stdout; throws with its stderr unless it exits with 0. */
  command(program: Program, args: readonly string[]): Promise<string>;
  /** Starts a program; its stdout is a pipe. */
  spawn(program: Program, args: readonly string[], stderr: 'inherit' | 'pipe'): ChildProcess;
  /** Kills what still runs and removes the folder. */
  close(): Promise<void>;
}

export interface SandboxOptions {
  /** Values of `[management] auth`; NTLM alone unless given. */
  readonly auth?: readonly string[] | undefined;
  /** Manage the server agent over https too, with `certificate`. */
  readonly https?: boolean | undefined;
  /** Further keys of `[management]`. */
  readonly management?: string | undefined;
  /** Appended to the role's own section of the configuration. */
  readonly section?: Partial<Record<'server' | 'client', string>> | undefined;
  /** Further tables, given the sandbox's folder. */
  readonly tables?: Partial<Record<'server' | 'client', (folder: string) => string>> | undefined;
  /** Folder for the temporary folder; the system's unless given. */
  readonly parent?: string | undefined;
}

export async function createSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const folder = await mkdtemp(join(options.parent ?? tmpdir(), 'carmine-'));
  const children = new Set<ChildProcess>();
  const [images, inbox] = [join(folder, 'images'), join(folder, 'inbox')];
  const user = 'admin';
  const password = `${randomBytes(12).toString('base64url')}-1`;
  const passwordFile = join(folder, 'password');
  const environment = { CARMINE_PASSWORD_FILE: passwordFile };

  const start = (program: Program, args: readonly string[], stderr: 'inherit' | 'pipe') => {
    const flags = ['--conditions=@carmine/source', '--disable-warning=ExperimentalWarning'];
    const child = spawn(process.execPath, [...flags, programs[program], ...args], {
      // Stripping the programs' types is most of their start; what was stripped once is kept.
      env: { NODE_COMPILE_CACHE: compileCache, ...process.env, ...environment },
      stdio: ['ignore', 'pipe', stderr],
    });
    children.add(child);
    child.once('exit', () => children.delete(child));
    return child;
  };
  const command = async (program: Program, args: readonly string[]) => {
    const child = start(program, args, 'pipe');
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
    const code = await exitOf(child);
    if (code !== 0) throw new Error(`${program} ${args.join(' ')}: exit code ${code}: ${stderr().trim()}`);
    return stdout();
  };
  const startAgent = async (role: 'server' | 'client', config: string): Promise<AgentProcess> => {
    const child = start(role, ['run', '--config', config], 'pipe');
    const log = collect(child.stderr);
    if (child.stdout === null) throw new Error('an agent without stdout');
    const line = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
    if (line.done === true) throw new Error(`the ${role} agent did not start: ${log()}`);
    return {
      child,
      ready: JSON.parse(line.value) as AgentProcess['ready'],
      log,
      async kill(signal) {
        child.kill(signal);
        await exitOf(child);
      },
    };
  };
  const close = async () => {
    for (const child of children) child.kill('SIGKILL');
    await Promise.all([...children].map(exitOf));
    await rm(folder, { recursive: true, force: true });
  };

  try {
    await mkdir(images);
    await mkdir(inbox);
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    const managementPem = JSON.stringify(join(folder, 'management.pem'));
    const write = async (role: 'server' | 'client', section: string) => {
      const port = await freePort();
      const securePort = role === 'server' && options.https === true ? await freePort() : undefined;
      const config = join(folder, `${role}.toml`);
      const lines = [
        `state_dir = ${JSON.stringify(join(folder, `${role}-state`))}`,
        '[management]',
        `http = "127.0.0.1:${port}"`,
        `auth = ${JSON.stringify(options.auth ?? ['ntlm'])}`,
        options.management ?? '',
        ...(securePort === undefined
          ? []
          : [
              `https = "127.0.0.1:${securePort}"`,
              '[management.tls]',
              `cert = ${managementPem}`,
              `key = ${managementPem}`,
            ]),
        `[${role}]`,
        section,
        options.section?.[role] ?? '',
        options.tables?.[role]?.(folder) ?? '',
      ];
      await writeFile(config, `${lines.join('\n')}\n`);
      return { config, port, securePort };
    };
    const server = await write('server', `roots = [${JSON.stringify(images)}]`);
    const generate = [
      'certificate',
      'generate',
      '--config',
      server.config,
      '--name',
      '127.0.0.1',
      '--name',
      'localhost',
      '--json',
    ];
    const certificate = JSON.parse(await command('server', generate)) as { thumbprint: string; file: string };
    await copyFile(certificate.file, join(folder, 'management.pem'));
    const client = await write(
      'client',
      `roots = [${JSON.stringify(inbox)}]\ntrust = [${JSON.stringify(certificate.file)}]`,
    );
    for (const [role, { config }] of [
      ['server', server],
      ['client', client],
    ] as const) {
      await command(role, [
        'account',
        'add',
        user,
        '--config',
        config,
        '--groups',
        'Administrators',
        '--password-file',
        passwordFile,
      ]);
    }
    return {
      folder,
      images,
      inbox,
      user,
      password,
      environment,
      certificate,
      server: { ...server, start: () => startAgent('server', server.config) },
      client: { ...client, start: () => startAgent('client', client.config) },
      command,
      spawn: start,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Resolves with the exit code when a process is gone; null when a signal ended it. */
export function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once('close', resolve));
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  let text = '';
  stream?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}
