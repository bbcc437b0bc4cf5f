import { isCarmineError } from '@carmine/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseWql, type WqlQuery } from '../src/index.ts';

const all = { properties: undefined, className: 'C', where: undefined };
const where = (text: string) => parseWql(`SELECT * FROM C WHERE ${text}`).where;
const compare = (property: string, operator: string, value: unknown) => ({
  kind: 'compare',
  property,
  operator,
  value,
});
const [a, b, c] = [compare('a', '=', 1n), compare('b', '=', 2n), compare('c', '=', 3n)];

describe('parseWql', () => {
  it.each<[string, WqlQuery]>([
    ['SELECT * FROM C', all],
    ['select*from C', all],
    ['  SeLeCt\t*\nfRoM  C  ', all],
    ['SELECT A FROM C', { ...all, properties: ['A'] }],
    ['SELECT A, b,C FROM C', { ...all, properties: ['A', 'b', 'C'] }],
  ])('%j', (text, expected) => {
    expect(parseWql(text)).toEqual(expected);
  });

  it.each([
    ["p = 'x'", compare('p', '=', 'x')],
    ['p = "x"', compare('p', '=', 'x')],
    [String.raw`p = 'it\'s'`, compare('p', '=', "it's")],
    [String.raw`p = "C:\\a"`, compare('p', '=', 'C:\\a')],
    ["p = ''", compare('p', '=', '')],
    [`p = '"'`, compare('p', '=', '"')],
    ['p <> 1', compare('p', '<>', 1n)],
    ['p != 1', compare('p', '<>', 1n)],
    ['p<-1', compare('p', '<', -1n)],
    ['p = 0x1F', compare('p', '=', 31n)],
    ['p = -0Xff', compare('p', '=', -255n)],
    [String.raw`p LIKE 'C:\inbox\%'`, compare('p', 'like', String.raw`C:\inbox\%`)],
    [String.raw`p LIKE 'C:\\inbox\\%'`, compare('p', 'like', String.raw`C:\inbox\%`)],
    [String.raw`p LIKE 'it\'s [%]'`, compare('p', 'like', "it's [%]")],
    ['p <= +1', compare('p', '<=', 1n)],
    ['p > 1.5', compare('p', '>', 1.5)],
    ['p >= 1e3', compare('p', '>=', 1000)],
    ['p = 18446744073709551615', compare('p', '=', 18_446_744_073_709_551_615n)],
    ['p = TRUE', compare('p', '=', true)],
    ['p = false', compare('p', '=', false)],
    ['p = NULL', compare('p', '=', null)],
    ['p IS NULL', compare('p', '=', null)],
    ['p is not null', compare('p', '<>', null)],
    ["p LIKE 'a%'", compare('p', 'like', 'a%')],
    ["__this ISA 'C'", compare('__this', 'isa', 'C')],
    ['1 < p', compare('p', '>', 1n)],
    ['1 >= p', compare('p', '<=', 1n)],
    ["'x' = p", compare('p', '=', 'x')],
    ['null <> p', compare('p', '<>', null)],
  ])('comparison %s', (text, expected) => {
    expect(where(text)).toEqual(expected);
  });

  it.each([
    ['a=1 AND b=2', { kind: 'and', terms: [a, b] }],
    ['a=1 OR b=2 OR c=3', { kind: 'or', terms: [a, b, c] }],
    ['a=1 OR b=2 AND c=3', { kind: 'or', terms: [a, { kind: 'and', terms: [b, c] }] }],
    ['(a=1 OR b=2) AND c=3', { kind: 'and', terms: [{ kind: 'or', terms: [a, b] }, c] }],
    ['NOT a=1 AND b=2', { kind: 'and', terms: [{ kind: 'not', term: a }, b] }],
    ['NOT (a=1 AND b=2)', { kind: 'not', term: { kind: 'and', terms: [a, b] } }],
    ['not not a=1', { kind: 'not', term: { kind: 'not', term: a } }],
    ['((a=1))', a],
  ])('expression %s', (text, expected) => {
    expect(where(text)).toEqual(expected);
  });

  it.each([
    ['', 'expected SELECT', 1],
    ['DELETE FROM C', 'expected SELECT', 1],
    ['SELECT', 'expected a property name or *', 7],
    ['SELECT * C', 'expected FROM', 10],
    ['SELECT *,a FROM C', 'expected FROM', 9],
    ['SELECT a, FROM C', 'expected FROM', 16],
    ['SELECT * FROM', 'expected a class name', 14],
    ["SELECT * FROM 'C'", 'expected a class name', 15],
    ['SELECT * FROM C x', 'unexpected text after the query', 17],
    ['SELECT * FROM C; DROP', 'unexpected character', 16],
    ['SELECT * FROM C WHERE', 'expected a constant', 22],
    ['SELECT * FROM C WHERE p', 'expected an operator', 24],
    ['SELECT * FROM C WHERE p ~ 1', 'unexpected character', 25],
    ['SELECT * FROM C WHERE p =', 'expected a constant', 26],
    ['SELECT * FROM C WHERE p = q', 'expected a constant', 27],
    ["SELECT * FROM C WHERE p = 'x", 'unexpected character', 27],
    ["SELECT * FROM C WHERE p '=' 1", 'expected an operator', 25],
    ['SELECT * FROM C WHERE (p = 1', 'expected )', 29],
    ['SELECT * FROM C WHERE p = 1)', 'unexpected text after the query', 28],
    ['SELECT * FROM C WHERE p = 1 AND', 'expected a constant', 32],
    ['SELECT * FROM C WHERE p IS 1', 'expected NULL', 28],
    ["SELECT * FROM C WHERE 'x' LIKE p", 'this operator needs the property on its left', 32],
    ['SELECT * FROM C WHERE 1 = 2', 'expected a property name', 27],
  ])('%j: %s at %i', (text, reason, position) => {
    expect(() => parseWql(text)).toThrow(
      expect.objectContaining({ code: 'cim/invalid-query', hresult: 0x8004_1017, context: { reason, position } }),
    );
  });

  it('bounds length and depth', () => {
    const long = `SELECT * FROM C WHERE p = '${'x'.repeat(16_384)}'`;
    expect(() => parseWql(long)).toThrow(/longer than 16384/);
    expect(() => where(`${'('.repeat(100)}p=1${')'.repeat(100)}`)).toThrow(/nested too deeply/);
    expect(() => where(`${'NOT '.repeat(100)}p=1`)).toThrow(/nested too deeply/);
    expect(where(`${'('.repeat(60)}a=1${')'.repeat(60)}`)).toEqual(a);
    // Many terms side by side are no depth.
    expect(where(Array.from({ length: 1000 }, () => '(a=1)').join(' OR '))).toMatchObject({ kind: 'or' });
  });

  it('gives a query or cim/invalid-query for any text', () => {
    const words =
      'SELECT|*|FROM|C|WHERE|p|q|=|<>|<=|LIKE|ISA|IS|NOT|NULL|TRUE|AND|OR|(|)|,|1|-2|3.5|"x"|\'y\'|"|\\|;'.split('|');
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fc.constantFrom(...words)).map((parts) => parts.join(' ')),
      fc.array(fc.constantFrom(...words)).map((parts) => `SELECT * FROM C WHERE ${parts.join(' ')}`),
    );
    fc.assert(
      fc.property(text, (input) => {
        try {
          const query = parseWql(input);
          expect(query.className).not.toBe('');
        } catch (error) {
          if (!isCarmineError(error, 'cim/invalid-query')) throw error;
          expect(error.context['position']).toBeGreaterThan(0);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
