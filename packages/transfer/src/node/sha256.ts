import { crypto } from './on-demand.ts';

/** SHA-256 of what lies in memory, in hexadecimal digits. */
export function sha256(chunks: readonly Uint8Array[]): string {
  const hash = crypto().createHash('sha256');
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}
