import { readFile } from 'node:fs/promises';
import { CarmineError } from '@carmine/errors';

/** The certificates of each file, PEM. Throws `configuration/unreadable` for a file that has none. */
export function readTrust(files: readonly string[]): Promise<string[]> {
  return Promise.all(
    files.map(async (file) => {
      try {
        // A store's file also holds the private key, which has no business among trusted certificates.
        const text = await readFile(file, 'utf8');
        const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
        if (blocks === null) throw new Error('it has no certificate');
        return blocks.join('\n');
      } catch (cause) {
        const { message } = cause as Error;
        throw new CarmineError('configuration/unreadable', { context: { file, reason: message }, cause });
      }
    }),
  );
}
