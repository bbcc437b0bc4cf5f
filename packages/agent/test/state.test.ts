import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AuditEvent } from '@carmine/cim';
import { wellKnownSids } from '@carmine/security';
import { describe, expect, it } from 'vitest';
import { auditRecord } from '../src/index.ts';
import { createLog, lockState, makeStateFolder, openAuditLog, replaceFile } from '../src/node/index.ts';
import { captured, temporaryFolder } from './support.ts';

const event: AuditEvent = {
  token: {
    name: 'HOST\\admin',
    userSid: 'S-1-5-21-1-2-3-1000',
    groupSids: [wellKnownSids.administrators],
    scheme: 'ntlm',
    source: '192.0.2.1',
    protectedChannel: true,
  },
  action: 'SetCredentials',
  object: 'BitsClientJob.JobId="{1}"',
  outcome: 'failed',
  result: 0x8020_0027,
};

describe('state lock', () => {
  it('is held by one, and free again when released', () => {
    const folder = temporaryFolder();
    const lock = lockState(folder);
    expect(() => lockState(folder)).toThrow(
      expect.objectContaining({ code: 'configuration/in-use', message: expect.stringContaining(folder) }),
    );
    lock.release();
    lockState(folder).release();
  });

  it('ends with the process, however that dies', () => {
    const folder = temporaryFolder();
    const source = new URL('../src/node/state-lock.ts', import.meta.url).href;
    const script = `import { lockState } from '${source}'; lockState(process.argv[1]); process.kill(process.pid, 'SIGKILL');`;
    const args = ['--conditions=@carmine/source', '--input-type=module', '-e', script, folder];
    const { signal, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(signal, stderr).toBe('SIGKILL');
    expect(existsSync(join(folder, 'agent.lock'))).toBe(true);
    lockState(folder).release();
  });

  it('of one folder does not concern another', () => {
    const [a, b] = [lockState(temporaryFolder()), lockState(temporaryFolder())];
    a.release();
    b.release();
  });
});

describe('files', () => {
  it('are replaced as a whole, readable by their owner only', async () => {
    const folder = join(temporaryFolder(), 'a', 'b');
    await makeStateFolder(folder);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const file = join(folder, 'f');
    writeFileSync(file, 'a much longer old content', { mode: 0o644 });
    await replaceFile(file, 'new');
    expect(readFileSync(file, 'utf8')).toBe('new');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await replaceFile(file, Uint8Array.of(1, 2));
    expect([...readFileSync(file)]).toEqual([1, 2]);
    expect(readdirSync(folder)).toEqual(['f']);
  });

  it('leave nothing behind when they cannot be replaced', async () => {
    const folder = temporaryFolder();
    await makeStateFolder(join(folder, 'f', 'full'));
    await expect(replaceFile(join(folder, 'f'), 'new')).rejects.toThrow();
    expect(readdirSync(folder)).toEqual(['f']);
  });
});

describe('audit', () => {
  it('records who did what from where, and how it ended', () => {
    expect(auditRecord(event, '2026-01-01T00:00:00.000Z')).toEqual({
      time: '2026-01-01T00:00:00.000Z',
      who: 'HOST\\admin',
      sid: 'S-1-5-21-1-2-3-1000',
      scheme: 'ntlm',
      from: '192.0.2.1',
      action: 'SetCredentials',
      object: 'BitsClientJob.JobId="{1}"',
      outcome: 'failed',
      result: '0x80200027',
    });
  });

  it('clips what callers make long', () => {
    const record = auditRecord({ ...event, action: 'x'.repeat(5000), object: 'y'.repeat(5000) }, 't');
    expect(record.action).toBe(`${'x'.repeat(512)}…`);
    expect(record.object).toBe(`${'y'.repeat(512)}…`);
    expect(auditRecord({ ...event, object: 'y'.repeat(512) }, 't').object).toHaveLength(512);
  });

  it('appends one line each, whatever stands in it, over restarts, readable by its owner only', async () => {
    const folder = temporaryFolder();
    const first = await openAuditLog(folder);
    first.write({ ...event, object: 'line\nbreak "quoted" \u0000' });
    first.write(event);
    first.close();
    const second = await openAuditLog(folder);
    second.write(event);
    second.close();
    const file = join(folder, 'audit.ndjson');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    const records = lines.map((line) => JSON.parse(line) as { object: string; time: string });
    expect(records[0]?.object).toBe('line\nbreak "quoted" \u0000');
    expect(Date.parse(records[2]?.time ?? '')).not.toBeNaN();
  });
});

describe('log', () => {
  it('is one line a message, without control characters', async () => {
    const { stderr, stdout } = await captured(async () => {
      const log = createLog('carmine-server');
      log.info('plain');
      log.warn('two\r\nlines \u001b[31mred');
      log.error('broken', new Error('because'));
      log.error('thrown', 'a text');
      log.error('alone');
    });
    expect(stdout).toBe('');
    const time = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z';
    const lines = stderr.trimEnd().split('\n');
    expect(lines.map((line) => line.replace(new RegExp(`^${time} `), ''))).toEqual([
      'carmine-server info plain',
      'carmine-server warn two lines  [31mred',
      'carmine-server error broken: because',
      'carmine-server error thrown: unexpected failure: a text',
      'carmine-server error alone',
    ]);
  });

  it('has stacks and causes when asked for', async () => {
    const error = new Error('outer', { cause: new Error('inner') });
    const { stderr } = await captured(async () => createLog('x').error('failed', error), { CARMINE_LOG: 'debug' });
    expect(stderr).toMatch(/failed: outer\n.*Error: outer\n {4}at .*caused by Error: inner\n {4}at /s);
  });
});
