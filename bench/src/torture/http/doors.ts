import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSandbox, freePort, type Sandbox } from '@carmine/testkit/node';

/** A port, and what a plain GET gets there. */
export interface Door {
  readonly name: string;
  readonly port: number;
  readonly path: string;
  readonly good: number;
  /** What `good` carries. */
  readonly content: Buffer;
}

export interface Doors {
  readonly sandbox: Sandbox;
  readonly all: readonly Door[];
  /** Without credentials. */
  readonly open: Door;
  /** What lies beside the published file and below no URL. */
  readonly secret: Buffer;
  /** Resident memory of the server agent, octets. */
  rss(): Promise<number>;
  readonly pid: number;
}

/** A server agent with three doors: a group for anybody, a group for those who log on, and the management port. */
export async function openDoors(): Promise<Doors> {
  const sandbox = await createSandbox({ section: { server: 'anonymous = true' } });
  try {
    const { images, server, user, command } = sandbox;
    const content = randomBytes(4096);
    const secret = randomBytes(64);
    await writeFile(join(images, 'file'), content);
    await writeFile(join(images, 'secret'), secret);
    const { child } = await server.start();
    const on = ['--on', `wsman://${user}@127.0.0.1:${server.port}`];
    const ports = { open: await freePort(), closed: await freePort() };
    for (const [name, port] of Object.entries(ports)) {
      const group = `http://+:${port}/open/`;
      await command('controller', ['url-group', 'create', group, ...on]);
      await command('controller', ['url', 'create', group, 'file', join(images, 'file'), ...on]);
      if (name === 'open')
        for (const scheme of ['negotiate', 'ntlm'])
          await command('controller', ['url-group', 'auth', group, '--scheme', scheme, '--disable', ...on]);
    }
    const pid = child.pid ?? 0;
    const nothing = Buffer.alloc(0);
    const open: Door = { name: 'open', port: ports.open, path: '/open/file', good: 200, content };
    return {
      sandbox,
      open,
      all: [
        open,
        { name: 'closed', port: ports.closed, path: '/open/file', good: 401, content: nothing },
        { name: 'management', port: server.port, path: '/wsman', good: 405, content: nothing },
      ],
      secret,
      pid,
      rss: () => residentOf(pid),
    };
  } catch (error) {
    await sandbox.close();
    throw error;
  }
}

async function residentOf(pid: number): Promise<number> {
  const { readFile } = await import('node:fs/promises');
  const [, kibibytes] = /VmRSS:\s*(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kibibytes) * 1024;
}
