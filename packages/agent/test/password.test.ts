import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { readPassword } from '../src/node/index.ts';
import { temporaryFolder } from './support.ts';

async function withStdin<T>(stream: object, work: () => Promise<T>): Promise<T> {
  const spy = vi.spyOn(process, 'stdin', 'get').mockReturnValue(stream as typeof process.stdin);
  try {
    return await work();
  } finally {
    spy.mockRestore();
  }
}

describe('readPassword', () => {
  it.each([
    ['secret', 'secret'],
    ['secret\n', 'secret'],
    ['secret\r\n', 'secret'],
    ['  kept blanks  \n', '  kept blanks  '],
    ['first\nsecond\n', 'first'],
    ['pässwörd 😀\n', 'pässwörd 😀'],
    ['a\rb\n', 'a\rb'],
    ['', ''],
    ['\n', ''],
  ])('of the file %j is %j', async (content, expected) => {
    const file = join(temporaryFolder(), 'password');
    writeFileSync(file, content);
    expect(await readPassword({ file, prompt: '' })).toBe(expected);
  });

  it('names a file that cannot be read, not what stands in it', async () => {
    const file = join(temporaryFolder(), 'none');
    await expect(readPassword({ file, prompt: '' })).rejects.toMatchObject({
      code: 'configuration/unreadable',
      message: `cannot read ${file}: ENOENT`,
    });
  });

  it('comes from stdin, in any number of pieces', async () => {
    const stdin = new PassThrough();
    const bytes = Buffer.from('pässwörd\nmore');
    for (const byte of bytes) stdin.write(Buffer.of(byte));
    stdin.end();
    expect(await withStdin(stdin, () => readPassword({ stdin: true, prompt: '' }))).toBe('pässwörd');
  });

  it('cannot be asked for without a terminal', async () => {
    await expect(withStdin(new PassThrough(), () => readPassword({ prompt: 'Password: ' }))).rejects.toMatchObject({
      code: 'usage/invalid',
    });
  });

  it('is asked for on a terminal, without echo', async () => {
    const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => stdin });
    let shown = '';
    const spies = (['stdout', 'stderr'] as const).map((name) =>
      vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
        shown += String(chunk);
        return true;
      }),
    );
    try {
      const asked = withStdin(stdin, () => readPassword({ prompt: 'Password: ' }));
      stdin.write('secret\r');
      expect(await asked).toBe('secret');
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
    expect(shown).toBe('Password: \n');
  });
});
