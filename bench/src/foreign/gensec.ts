import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { exitOf } from '@carmine/testkit/node';

export const python = '/usr/bin/python3';

/** How Samba's library is to be started: see samba_gensec.py. */
export interface GensecStart {
  readonly role: 'client' | 'server';
  readonly mechanism: 'spnego' | 'ntlmssp';
  readonly features: readonly ('SIGN' | 'SEAL' | 'DCE_STYLE')[];
  readonly host: string;
  readonly service: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly domain?: string | undefined;
  readonly ccache?: string | undefined;
  readonly keytab?: string | undefined;
  readonly principal?: string | undefined;
  readonly smb_conf?: string | undefined;
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

/** A context of Samba's security library, in a process of its own. Each method throws what Samba says is wrong. */
export class Gensec {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  private constructor(child: ChildProcess) {
    if (child.stdout === null) throw new Error('python without stdout');
    this.#child = child;
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  static async start(facts: GensecStart, environment: Record<string, string>): Promise<Gensec> {
    const script = fileURLToPath(new URL('samba_gensec.py', import.meta.url));
    const child = spawn(python, ['-W', 'ignore', script], {
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const gensec = new Gensec(child);
    try {
      await gensec.#ask({ do: 'start', ...facts });
      return gensec;
    } catch (error) {
      await gensec.close();
      throw error;
    }
  }

  /** The next token, if there is one; `finished`: Samba has all it needs. */
  async update(
    token: Uint8Array | undefined,
  ): Promise<{ readonly finished: boolean; readonly token: Uint8Array | undefined }> {
    const answer = await this.#ask({ do: 'update', token: token === undefined ? null : encode(token) });
    const made = typeof answer.token === 'string' ? decode(answer.token) : undefined;
    return { finished: answer.finished === true, token: made === undefined || made.length === 0 ? undefined : made };
  }

  wrap(data: Uint8Array): Promise<Uint8Array> {
    return this.#octets({ do: 'wrap', data: encode(data) });
  }

  unwrap(data: Uint8Array): Promise<Uint8Array> {
    return this.#octets({ do: 'unwrap', data: encode(data) });
  }

  sign(data: Uint8Array): Promise<Uint8Array> {
    return this.#octets({ do: 'sign', data: encode(data) });
  }

  async check(data: Uint8Array, signature: Uint8Array): Promise<void> {
    await this.#ask({ do: 'check', data: encode(data), signature: encode(signature) });
  }

  sessionKey(): Promise<Uint8Array> {
    return this.#octets({ do: 'key' });
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await exitOf(this.#child);
  }

  async #octets(question: object): Promise<Uint8Array> {
    return decode((await this.#ask(question)).data ?? '');
  }

  async #ask(question: object): Promise<Answer> {
    this.#child.stdin?.write(`${JSON.stringify(question)}\n`);
    const line = await this.#answers.next();
    if (line.done === true) throw new Error('samba: the process ended');
    const answer = JSON.parse(line.value) as Answer;
    if (answer.error !== undefined) throw new Error(`samba: ${answer.error}`);
    return answer;
  }
}

interface Answer {
  readonly error?: string;
  readonly finished?: boolean;
  readonly token?: string | null;
  readonly data?: string;
}

function encode(octets: Uint8Array): string {
  return Buffer.from(octets).toString('base64');
}

function decode(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}
