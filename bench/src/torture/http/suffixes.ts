import { SeededRandom } from '@carmine/testkit';
import type { Doors } from './doors.ts';
import { sendRaw } from './raw-client.ts';

export interface SuffixReport {
  readonly asked: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly escapes: number;
}

/** Asks for so many names that nobody has published, and that some servers have taken for a way out of their folder. */
export async function runSuffixes(
  { open, secret, sandbox }: Doors,
  count: number,
  seed: number,
): Promise<SuffixReport> {
  const random = new SeededRandom(seed);
  const statuses: Record<string, number> = {};
  let escapes = 0;
  for (let asked = 0; asked < count; asked += batch) {
    const targets = Array.from({ length: Math.min(batch, count - asked) }, () => hostileTarget(random, sandbox.images));
    const text = targets.map((target) => `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`).join('');
    const { answers, rest } = await sendRaw(open.port, Buffer.from(text, 'latin1'));
    if (answers.length !== targets.length || rest.length > 0)
      throw new Error(`${answers.length} answers to ${targets.length} requests: ${targets.join(' ')}`);
    for (const { status, body } of answers) {
      statuses[status] = (statuses[status] ?? 0) + 1;
      // The names that are made here are all others than the published one.
      if (status < 400 || body.length > 0 || body.includes(secret)) escapes++;
    }
  }
  return { asked: count, statuses, escapes };
}

function hostileTarget(random: SeededRandom, folder: string): string {
  const one = <T>(items: readonly T[]): T => items[random.below(items.length)] as T;
  let target = one(['/open/', '/open', '/OPEN/', '/open//', '/%6fpen/', '/', '//']);
  for (let part = 1 + random.below(6); part > 0; part--) target += one(pieces);
  target += one([
    'secret',
    'secret',
    'file/../secret',
    'FILE%2f..%2fsecret',
    'file%00',
    'etc/passwd',
    `${folder}/secret`,
    'proc/self/environ',
    'accounts.key',
    '',
  ]);
  target += one(['', '', '', '?a=b', '%23x', '/', '.', '%20', '::$DATA', ';x', '%00']);
  return isPublished(target) ? `${target}x` : target;
}

/** What HTTP.SYS would take for the published name too. */
function isPublished(target: string): boolean {
  try {
    return decodeURIComponent(target.replace(/[?#].*$/s, '')).toLowerCase() === '/open/file';
  } catch {
    return false;
  }
}

const batch = 100;
const pieces = [
  '../',
  '..%2f',
  '%2e%2e/',
  '%2e%2e%2f',
  '..%5c',
  '..\\',
  '%252e%252e%252f',
  '....//',
  '..;/',
  '..%00/',
  '.%2e/',
  '%c0%ae%c0%ae%c0%af',
  '%e0%80%ae%e0%80%ae/',
  '%u002e%u002e/',
  '..%ef%bc%8f',
  '%ef%bc%8e%ef%bc%8e/',
  './',
  '%2e/',
  '/',
  '%2f',
  '%5c',
  '\\',
  'file/',
  'file%2f',
  'C:/',
  'c:%5c',
  '\\\\?\\',
  '~/',
  '%7e/',
  '..%c0%af',
  '..%252f',
  '%25%32%65',
  'x/',
  '...',
  '%0a',
  '%0d%0a',
  '%09',
  '%7f',
  '%e2%80%a8',
  '%cc%81',
] as const;
