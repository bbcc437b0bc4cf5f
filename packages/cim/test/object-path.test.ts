import { isCarmineError } from '@carmine/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bitsClientFileClass,
  bitsClientJobClass,
  type CimValue,
  carmineJobFileClass,
  formatObjectPath,
  type ObjectPath,
  parseObjectPath,
  resolveKeys,
} from '../src/index.ts';

const path = (namespace: string, className: string, keys: Record<string, CimValue> = {}): ObjectPath => ({
  namespace,
  className,
  keys: new Map(Object.entries(keys)),
});

describe('parseObjectPath', () => {
  it.each<[string, ObjectPath]>([
    ['BitsClientJob', path('ns', 'BitsClientJob')],
    ['BitsClientJob=@', path('ns', 'BitsClientJob')],
    ['BitsClientJob.JobId="{1}"', path('ns', 'BitsClientJob', { JobId: '{1}' })],
    ["BitsClientJob.JobId='{1}'", path('ns', 'BitsClientJob', { JobId: '{1}' })],
    ['root\\Microsoft\\BITS:BitsClientJob', path('root\\Microsoft\\BITS', 'BitsClientJob')],
    ['\\\\host\\root\\cimv2:C.K=1', path('root\\cimv2', 'C', { K: 1n })],
    ['//./root/cimv2:C.K=-1', path('root/cimv2', 'C', { K: -1n })],
    ['C.A=TRUE,B=false', path('ns', 'C', { A: true, B: false })],
    ['C.A = "1" , B = 2', path('ns', 'C', { A: '1', B: 2n })],
    ['C.U="http://h:80/a:b,c=\\"d\\""', path('ns', 'C', { U: 'http://h:80/a:b,c="d"' })],
    ['r:C.U="https://+:443/x/"', path('r', 'C', { U: 'https://+:443/x/' })],
    ['C.U="a\\\\b"', path('ns', 'C', { U: 'a\\b' })],
    ['C.U=""', path('ns', 'C', { U: '' })],
    ['C.U="line\nbreak"', path('ns', 'C', { U: 'line\nbreak' })],
  ])('%j', (text, expected) => {
    expect(parseObjectPath(text, 'ns')).toEqual(expected);
  });

  it.each([
    '',
    '.',
    '1C',
    'C.',
    'C.=',
    'C.K',
    'C.K=',
    'C.K=x',
    'C.K="x',
    'C.K="x"y',
    'C.K="x",',
    'C.K="x" L="y"',
    'C.K="x",k="y"',
    'C D',
    'C=@x',
    'ns:',
    `C.K=${'9'.repeat(21)}`,
  ])('refuses %j', (text) => {
    expect(() => parseObjectPath(text)).toThrow(expect.objectContaining({ code: 'cim/invalid-object-path' }));
  });

  it('has no namespace without one', () => {
    expect(parseObjectPath('C').namespace).toBe('');
  });

  it('reads what formatObjectPath writes', () => {
    const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('"', '\\', '",A="', "'", 'a:b', 'TRUE'),
      fc.boolean(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    );
    const keys = fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key.toLowerCase(), maxLength: 4 });
    fc.assert(
      fc.property(name, keys, (className, entries) => {
        const original = { namespace: 'ns', className, keys: new Map<string, CimValue>(entries) };
        expect(parseObjectPath(formatObjectPath(original), 'ns')).toEqual(original);
      }),
    );
  });

  it('gives a path or cim/invalid-object-path for any text', () => {
    const fragment = fc.constantFrom('C', '.', 'K', '=', '"', "'", '\\', ',', '1', ' ', ':', '/', '@', 'TRUE', '-');
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fragment).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (input) => {
        try {
          parseObjectPath(input);
        } catch (error) {
          if (!isCarmineError(error, 'cim/invalid-object-path')) throw error;
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('formatObjectPath', () => {
  it.each<[ObjectPath, string]>([
    [path('ns', 'C'), 'C'],
    [path('ns', 'C', { K: 'a"b\\c' }), 'C.K="a\\"b\\\\c"'],
    [path('ns', 'C', { A: 1, B: 2n, C: true, D: false, E: null }), 'C.A=1,B=2,C=TRUE,D=FALSE,E=NULL'],
  ])('%#', (value, expected) => {
    expect(formatObjectPath(value)).toBe(expected);
  });
});

describe('resolveKeys', () => {
  const resolve = (cls: typeof bitsClientJobClass, keys: Record<string, CimValue>) =>
    Object.fromEntries(resolveKeys(cls, new Map(Object.entries(keys))));

  it('gives canonical names and typed values', () => {
    expect(resolve(bitsClientJobClass, { JOBID: '{1}' })).toEqual({ JobId: '{1}' });
    expect(resolve(carmineJobFileClass, { fileindex: '3', jobid: 'x' })).toEqual({ FileIndex: 3, JobId: 'x' });
    expect(resolve(carmineJobFileClass, { FileIndex: 3n, JobId: 'x' })).toEqual({ FileIndex: 3, JobId: 'x' });
    expect(resolve(bitsClientFileClass, {})).toEqual({});
  });

  it.each<[string, typeof bitsClientJobClass, Record<string, CimValue>]>([
    ['cim/missing-keys', bitsClientJobClass, {}],
    ['cim/missing-keys', bitsClientJobClass, { JobId: null }],
    ['cim/missing-keys', carmineJobFileClass, { JobId: 'x' }],
    ['cim/unexpected-keys', bitsClientJobClass, { JobId: 'x', State: 1 }],
    ['cim/unexpected-keys', bitsClientFileClass, { RemoteUrl: 'x' }],
    ['cim/type-mismatch', bitsClientJobClass, { JobId: 7 }],
    ['cim/type-mismatch', carmineJobFileClass, { JobId: 'x', FileIndex: 'one' }],
    ['cim/type-mismatch', carmineJobFileClass, { JobId: 'x', FileIndex: -1 }],
    ['cim/type-mismatch', carmineJobFileClass, { JobId: 'x', FileIndex: 0x1_0000_0000 }],
  ])('%s: %o', (code, cls, keys) => {
    expect(() => resolve(cls, keys)).toThrow(expect.objectContaining({ code }));
  });
});
