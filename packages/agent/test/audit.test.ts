import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HttpAcceptor, HttpAuthOutcome } from '@carmine/auth';
import { nobody, type Token } from '@carmine/security';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { auditedAcceptor, openAuditLog, verifyAuditLog } from '../src/node/index.ts';

const token: Token = {
  ...nobody,
  name: 'HOST\\admin',
  userSid: 'S-1-5-21-1-2-3-1000',
  scheme: 'ntlm',
  source: '192.0.2.1',
};
const event = (action: string) => ({ token, action, object: 'BitsClientJob', outcome: 'allowed' as const, result: 0 });

describe('audit chain', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'carmine-audit-'));
    path = join(folder, 'audit.ndjson');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function write(...actions: string[]): Promise<void> {
    const log = await openAuditLog(folder);
    for (const action of actions) log.write(event(action));
    log.close();
  }
  const lines = () => readFileSync(path, 'utf8').trimEnd().split('\n');

  it('numbers its lines and names the hash of the line before, over restarts', async () => {
    await write('One', 'Two');
    await write('Three');
    const [first, second, third] = lines();
    expect(JSON.parse(first!)).toMatchObject({
      n: 1,
      previous: createHash('sha256').digest('hex'),
      action: 'One',
      who: 'HOST\\admin',
    });
    expect(JSON.parse(second!)).toMatchObject({ n: 2, previous: createHash('sha256').update(first!).digest('hex') });
    expect(JSON.parse(third!)).toMatchObject({ n: 3, previous: createHash('sha256').update(second!).digest('hex') });
    const report = await verifyAuditLog(folder);
    expect(report).toEqual({
      head: { count: 3, hash: createHash('sha256').update(third!).digest('hex') },
      broken: [],
      torn: [],
    });
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['a changed record', (all: string[]) => [all[0]!.replace('One', 'Oni'), ...all.slice(1)], [2]],
    ['a removed record', (all: string[]) => [all[0]!, ...all.slice(2)], [2, 3]],
    ['a removed first record', (all: string[]) => all.slice(1), [1, 2, 3]],
    ['an inserted record', (all: string[]) => [all[0]!, all[1]!, all[1]!, ...all.slice(2)], [3, 4, 5]],
    ['two records exchanged', (all: string[]) => [all[1]!, all[0]!, ...all.slice(2)], [1, 2, 3]],
  ])('finds %s', async (_what, tamper, broken) => {
    await write('One', 'Two', 'Three', 'Four');
    writeFileSync(path, `${tamper(lines()).join('\n')}\n`);
    expect((await verifyAuditLog(folder)).broken).toEqual(broken);
  });

  it('goes on after a line that a crash cut off, and tells where it was', async () => {
    await write('One');
    appendFileSync(path, '{"n":2,"previo');
    await write('Two', 'Three');
    expect(await verifyAuditLog(folder)).toMatchObject({ broken: [], torn: [2], head: { count: 4 } });
  });

  it('has other heads for other histories, so that a kept head shows a cut end', async () => {
    await write('One', 'Two');
    const { head } = await verifyAuditLog(folder);
    writeFileSync(path, `${lines()[0]}\n`);
    const cut = await verifyAuditLog(folder);
    expect(cut.broken).toEqual([]);
    expect(cut.head).not.toEqual(head);
  });
});

describe('authentications', () => {
  function run(...steps: [authorization: string | undefined, outcome: HttpAuthOutcome][]): string[] {
    const outcomes = steps.map(([, outcome]) => outcome);
    const inner: HttpAcceptor = { context: undefined, authenticate: () => outcomes.shift()! };
    const told: string[] = [];
    const acceptor = auditedAcceptor(inner, '192.0.2.9', (who, succeeded) =>
      told.push(`${succeeded} ${who.name} ${who.source}`),
    );
    for (const [authorization, outcome] of steps) expect(acceptor.authenticate(authorization)).toBe(outcome);
    return told;
  }
  const challenge: HttpAuthOutcome = { kind: 'challenge', headers: [] };
  const accepted: HttpAuthOutcome = { kind: 'accepted', token };

  it('are told once per identity and for each failed attempt, never for a first request without credentials', () => {
    expect(
      run(
        [undefined, challenge],
        ['NTLM x', { kind: 'continue', headers: [] }],
        ['NTLM y', accepted],
        [undefined, accepted],
        ['NTLM y', accepted],
      ),
    ).toEqual(['true HOST\\admin 192.0.2.1']);
    expect(
      run(
        ['Basic x', { kind: 'challenge', headers: [], attempted: 'ghost' }],
        ['Basic y', challenge],
        ['Basic z', accepted],
      ),
    ).toEqual(['false ghost 192.0.2.9', 'false  192.0.2.9', 'true HOST\\admin 192.0.2.1']);
    expect(run(['a', accepted], ['b', challenge], ['c', accepted])).toHaveLength(3);
  });
});
