import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { CarmineError } from '@carmine/errors';

/** Where a password may come from; never a flag's value. */
export interface PasswordSource {
  readonly file?: string | undefined;
  readonly stdin?: boolean | undefined;
  /** What to ask on a terminal when neither is given. */
  readonly prompt: string;
}

/** Reads a password; the line end of a file or of stdin is not part of it. Throws `usage/invalid` when none can be had. */
export async function readPassword(source: PasswordSource): Promise<string> {
  if (source.file !== undefined) {
    try {
      return firstLine(await readFile(source.file, 'utf8'));
    } catch (cause) {
      const reason = (cause as NodeJS.ErrnoException).code ?? 'unreadable';
      throw new CarmineError('configuration/unreadable', { context: { file: source.file, reason }, cause });
    }
  }
  if (source.stdin === true) {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
    return firstLine(Buffer.concat(chunks).toString('utf8'));
  }
  if (!process.stdin.isTTY) {
    throw new CarmineError('usage/invalid', {
      context: { reason: 'a password is needed: --password-file FILE, --password-stdin, or CARMINE_PASSWORD_FILE' },
    });
  }
  return ask(source.prompt);
}

function firstLine(text: string): string {
  return text.replace(/\r?\n[\s\S]*$/, '');
}

/** Asks without echo. */
async function ask(prompt: string): Promise<string> {
  process.stderr.write(prompt);
  const terminal = createInterface({ input: process.stdin, terminal: true });
  try {
    return await new Promise<string>((resolve, reject) => {
      terminal.once('line', resolve);
      terminal.once('SIGINT', () => reject(new CarmineError('internal/aborted')));
    });
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}
