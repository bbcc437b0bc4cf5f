import { corpus, type Expected, type HttpCase } from './corpus.ts';
import type { Door, Doors } from './doors.ts';
import { type RawResult, sendRaw } from './raw-client.ts';

export interface CorpusReport {
  readonly cases: number;
  readonly requests: number;
  readonly statuses: Readonly<Record<string, number>>;
}

/** Every case at every door; between them a plain request must be answered as ever. */
export async function runCorpus(doors: Doors, failures: string[]): Promise<CorpusReport> {
  const statuses: Record<string, number> = {};
  let requests = 0;
  for (const door of doors.all) {
    for (const [index, one] of corpus.entries()) {
      const fault = await tryCase(one, door, doors.secret, (status) => {
        statuses[status] = (statuses[status] ?? 0) + 1;
      });
      requests++;
      if (fault !== undefined) failures.push(`${door.name}: ${one.name}: ${fault}`);
      if (index % 20 === 0 && !(await isAlive(door))) failures.push(`${door.name}: does not answer after ${one.name}`);
    }
  }
  return { cases: corpus.length, requests, statuses };
}

async function tryCase(
  one: HttpCase,
  door: Door,
  secret: Buffer,
  count: (status: string) => void,
): Promise<string | undefined> {
  let result: RawResult;
  try {
    result = await sendRaw(door.port, Buffer.from(one.text(door.path), 'latin1'));
  } catch (error) {
    return (error as Error).message;
  }
  const { answers, rest } = result;
  const first: Expected = answers[0]?.status ?? 'none';
  count(String(first));
  const expected = one.first.map((each) => (each === 'good' ? door.good : each));
  if (!expected.includes(first)) return `${first} instead of ${expected.join(', ')}`;
  if (answers.length > one.most) return `${answers.length} answers where ${one.most} may be`;
  if (rest.length > 0) return `what is no answer: ${JSON.stringify(rest.toString('latin1', 0, 80))}`;
  const bodies = Buffer.concat(answers.map(({ body }) => body));
  // A range, or several with their heads.
  const most = door.content.length * (one.files ?? 1) + (one.name.startsWith('Range') ? 200 * 150 : 0);
  if (bodies.length > most) return `${bodies.length} octets where ${most} may be`;
  if (bodies.includes(secret)) return 'the secret came out';
  for (const { status, head, body } of answers) {
    if (status === 200 && !body.equals(door.content)) return 'another content';
    if (status >= 400 && body.length > 0 && door.name !== 'management') return 'an error with a body';
    if (/\r\nContent-Length:.*\r\nContent-Length:/s.test(head)) return 'an answer with two lengths';
  }
  return undefined;
}

export async function isAlive(door: Door): Promise<boolean> {
  try {
    const { answers } = await sendRaw(door.port, Buffer.from(`GET ${door.path} HTTP/1.1\r\nHost: x\r\n\r\n`), 5_000);
    return answers.length === 1 && answers[0]?.status === door.good && answers[0].body.equals(door.content);
  } catch {
    return false;
  }
}
