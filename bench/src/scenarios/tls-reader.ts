import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runPeer } from '../foreign/peers.ts';
import { logOnWithNtlm } from './range-logon.ts';

/** A client that decrypts what it gets, and does nothing else: `tls-reader.c`. */
export interface TlsReader {
  /** Seconds that the first `length` octets of a file took, over one connection that was logged on before. */
  read(target: TlsTarget): Promise<number>;
}

interface TlsTarget {
  readonly port: number;
  readonly path: string;
  readonly length: number;
  /** For NTLM. */
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
}

/** Undefined where it cannot be built: it takes a C compiler, and OpenSSL to compile with. */
export async function createTlsReader(folder: string): Promise<TlsReader | undefined> {
  const program = join(folder, 'tls-reader');
  const source = fileURLToPath(new URL('tls-reader.c', import.meta.url));
  const args = ['-O2', '-D_GNU_SOURCE', '-o', program, source, '-lssl', '-lcrypto'];
  const built = await runPeer('cc', args).catch(() => undefined);
  return built?.code === 0 ? { read: (target) => read(program, target) } : undefined;
}

async function read(program: string, { port, path, length, credentials }: TlsTarget): Promise<number> {
  const child = spawn(program, [String(port), path], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => {});
  const exited = new Promise((resolve) => child.once('close', resolve));
  const answers = heads(child.stdout.setEncoding('utf8'));
  const ask = async (fields: readonly string[]): Promise<string> => {
    child.stdin.write(`${fields.join('\t')}\n`);
    const { value, done } = await answers.next();
    if (done === true) throw new Error('tls-reader ended early');
    return value;
  };
  try {
    if (credentials !== undefined) await logOnWithNtlm(ask, credentials, true);
    const answer = await ask([`Range: bytes=0-${length - 1}`]);
    const [status, octets, seconds] = answer.split(/\s/, 3).map(Number);
    if (status !== 206 || octets !== length) throw new Error(`status ${status} with ${octets} octets`);
    return seconds ?? Number.NaN;
  } finally {
    child.stdin.end();
    await exited;
  }
}

/** One text for each answer. */
async function* heads(output: AsyncIterable<string>): AsyncGenerator<string, undefined> {
  let text = '';
  for await (const chunk of output) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      yield text.slice(0, end);
      text = text.slice(end + 2);
    }
  }
}
