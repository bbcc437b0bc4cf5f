import { CarmineError } from '@carmine/errors';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { formatBytes, formatDuration, Output, table, toJson } from '../src/output.ts';

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [17, '17 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [12n * 1024n * 1024n, '12.0 MiB'],
    [1_610_612_736n, '1.5 GiB'],
    [2n ** 40n, '1.0 TiB'],
    [5000n * 2n ** 40n, '5000.0 TiB'],
  ])('%s is %s', (bytes, expected) => {
    expect(formatBytes(bytes)).toBe(expected);
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0 s'],
    [59, '59 s'],
    [60, '1 min 0 s'],
    [200, '3 min 20 s'],
    [3599, '59 min 59 s'],
    [3600, '1 h 0 min'],
    [7500, '2 h 5 min'],
    [90_061, '25 h 1 min'],
  ])('%i is %s', (seconds, expected) => {
    expect(formatDuration(seconds)).toBe(expected);
  });
});

describe('table', () => {
  it('aligns columns and leaves no blanks at the ends of lines', () => {
    expect(
      table(
        ['ID', 'STATE', 'NAME'],
        [
          ['1', 'transferring', 'a'],
          ['1234', 'error', ''],
        ],
      ).split('\n'),
    ).toEqual(['ID    STATE         NAME', '1     transferring  a', '1234  error']);
    expect(table(['A', 'B'], [])).toBe('A  B');
  });
});

describe('toJson', () => {
  it('writes sizes as numbers while numbers can hold them, and unknown ones as null', () => {
    const document = { a: 5n, b: 2n ** 53n - 1n, c: 2n ** 53n, d: 0xffff_ffff_ffff_ffffn, e: [1n, { f: 2n }], g: null };
    expect(JSON.parse(toJson(document))).toEqual({ a: 5, b: 2 ** 53 - 1, c: null, d: null, e: [1, { f: 2 }], g: null });
  });
});

describe('Output', () => {
  let text: { stdout: string; stderr: string };
  const capture = () => {
    text = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const)
      vi.spyOn(process[stream], 'write').mockImplementation((chunk) => {
        text[stream] += String(chunk);
        return true;
      });
  };
  afterEach(() => vi.restoreAllMocks());
  const document = { schema: 'carmine.thing/1', n: 1n } as const;

  it.each([
    ['text', 'for people\n', ''],
    ['json', '{"schema":"carmine.thing/1","n":1}\n', ''],
    ['ndjson', '{"schema":"carmine.thing/1","n":1}\n', '{"schema":"carmine.thing/1","n":1}\n'],
  ] as const)('as %s', (format, result, element) => {
    const output = new Output(format);
    capture();
    output.result('for people', document);
    expect(text.stdout).toBe(result);
    capture();
    output.element(document);
    expect(text.stdout).toBe(element);
    capture();
    output.result('', document);
    expect(text.stdout).toBe(format === 'text' ? '' : result);
    capture();
    output.message('by the way');
    expect(text).toEqual({ stdout: '', stderr: 'by the way\n' });
  });

  it('tells failures on stderr, with the HRESULT once, and as a document where one is wanted', () => {
    const error = new CarmineError('job/empty');
    capture();
    new Output('text').failure(error, 'Add a file.');
    expect(text).toEqual({ stdout: '', stderr: 'carmine: the job has no files [0x80200003]\nhint: Add a file.\n' });
    capture();
    new Output('text').failure(new CarmineError('job/empty', { message: 'failed [0x80200003]' }));
    expect(text.stderr).toBe('carmine: failed [0x80200003]\n');
    capture();
    new Output('json').failure(error);
    expect(JSON.parse(text.stdout)).toEqual({
      schema: 'carmine.error/1',
      code: 'job/empty',
      kind: 'fatal',
      hresult: '0x80200003',
      message: 'the job has no files',
      hint: null,
      exitCode: 6,
    });
    capture();
    new Output('text').failure(new TypeError('our bug'));
    expect(text.stderr).toMatch(/^carmine: unexpected failure: our bug \[0x80004005\]\nTypeError: our bug\n {4}at /);
  });
});
