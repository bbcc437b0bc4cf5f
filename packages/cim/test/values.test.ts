import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CimElement,
  type CimInstance,
  type CimType,
  type CimValue,
  checkValue,
  formatScalar,
  isInstance,
  parseScalar,
} from '../src/index.ts';

const element = (type: CimType, array = false): CimElement => ({ name: 'x', type, array, description: '' });
const mismatch = expect.objectContaining({ code: 'cim/type-mismatch', hresult: 0x8004_1005 });
const instance: CimInstance = { namespace: 'n', className: 'C', properties: new Map() };

/** DSP0004 table of intrinsic integer types. */
const integers: readonly [CimType, bigint, bigint][] = [
  ['uint8', 0n, 255n],
  ['uint16', 0n, 65_535n],
  ['uint32', 0n, 4_294_967_295n],
  ['uint64', 0n, 18_446_744_073_709_551_615n],
  ['sint8', -128n, 127n],
  ['sint16', -32_768n, 32_767n],
  ['sint32', -2_147_483_648n, 2_147_483_647n],
  ['sint64', -9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n],
];

describe.each(integers)('%s', (type, low, high) => {
  const value = (n: bigint): CimValue => (type.endsWith('64') ? n : Number(n));

  it('takes both ends of its range, as text and as value', () => {
    for (const end of [low, high]) {
      expect(parseScalar(element(type), String(end))).toBe(value(end));
      expect(parseScalar(element(type), `  ${end}\n`)).toBe(value(end));
      expect(checkValue(element(type), end)).toBe(value(end));
      expect(formatScalar(value(end) as number | bigint)).toBe(String(end));
    }
    expect(parseScalar(element(type), '+7')).toBe(value(7n));
    expect(checkValue(element(type), 7)).toBe(value(7n));
  });

  it('refuses what lies outside, and what is no integer', () => {
    for (const outside of [low - 1n, high + 1n]) {
      expect(() => parseScalar(element(type), String(outside))).toThrow(mismatch);
      expect(() => checkValue(element(type), outside)).toThrow(mismatch);
    }
    for (const text of ['', ' ', 'x', '1.0', '1e3', '0x10', '--1', '1 2', '9'.repeat(400)])
      expect(() => parseScalar(element(type), text)).toThrow(mismatch);
    for (const bad of [1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', true, [1], new Uint8Array(1), instance])
      expect(() => checkValue(element(type), bad)).toThrow(mismatch);
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: low, max: high }), (n) => {
        expect(parseScalar(element(type), formatScalar(value(n) as number | bigint))).toBe(value(n));
      }),
    );
  });
});

describe('other types', () => {
  it.each<[CimType, string, CimValue]>([
    ['boolean', 'true', true],
    ['boolean', 'TRUE', true],
    ['boolean', '1', true],
    ['boolean', ' false ', false],
    ['boolean', '0', false],
    ['string', '  kept  ', '  kept  '],
    ['string', '', ''],
    ['datetime', ' 20260101000000.000000+000 ', '20260101000000.000000+000'],
    ['reference', ' a:C.K=1 ', 'a:C.K=1'],
    ['real64', '1.5e3', 1500],
    ['real64', '-.5', -0.5],
    ['real32', '2.', 2],
    ['real64', 'INF', Number.POSITIVE_INFINITY],
    ['real64', '-INF', Number.NEGATIVE_INFINITY],
    ['real64', 'NaN', Number.NaN],
    ['char16', 'A', 65],
    ['char16', '65535', 65_535],
    ['char16', '7', 7],
  ])('%s reads %j', (type, text, expected) => {
    expect(parseScalar(element(type), text)).toBe(expected);
  });

  it.each<[CimType, string]>([
    ['boolean', 'yes'],
    ['boolean', ''],
    ['real64', '1,5'],
    ['real64', ''],
    ['real64', '0x1'],
    ['real64', '.'],
    ['char16', '65536'],
    ['char16', 'AB'],
    ['object', 'x'],
  ])('%s refuses the text %j', (type, text) => {
    expect(() => parseScalar(element(type), text)).toThrow(mismatch);
  });

  it('reads the reals that it writes', () => {
    fc.assert(
      fc.property(fc.double(), (n) => {
        expect(parseScalar(element('real64'), formatScalar(n))).toBe(n === 0 ? n + 0 : n);
      }),
    );
  });

  it.each<[CimType, CimValue]>([
    ['boolean', false],
    ['string', ''],
    ['datetime', 'x'],
    ['reference', 'x'],
    ['real64', Number.NaN],
    ['object', instance],
  ])('%s takes the value %o', (type, value) => {
    expect(checkValue(element(type), value)).toBe(value);
    expect(checkValue(element(type), null)).toBeNull();
    expect(checkValue(element(type, true), [value, value])).toEqual([value, value]);
    expect(checkValue(element(type, true), null)).toBeNull();
  });

  it.each<[CimType, CimValue]>([
    ['boolean', 'true'],
    ['boolean', 1],
    ['string', 1],
    ['string', ['x']],
    ['real64', 1n],
    ['object', 'x'],
    ['object', new Uint8Array(1)],
  ])('%s refuses the value %o', (type, value) => {
    expect(() => checkValue(element(type), value)).toThrow(mismatch);
  });

  it('takes bytes as Uint8Array or as numbers, and nothing else', () => {
    const bytes = element('uint8', true);
    expect(checkValue(bytes, Uint8Array.of(1, 2))).toEqual(Uint8Array.of(1, 2));
    expect(checkValue(bytes, [1, 255])).toEqual(Uint8Array.of(1, 255));
    expect(checkValue(bytes, [])).toEqual(new Uint8Array());
    for (const bad of [[256], [-1], [null], ['1'], 1, 'AQI='])
      expect(() => checkValue(bytes, bad as CimValue)).toThrow(mismatch);
  });

  it('refuses a scalar for an array, an array for a scalar, and NULL within an array', () => {
    expect(() => checkValue(element('string', true), 'x')).toThrow(mismatch);
    expect(() => checkValue(element('string'), ['x'])).toThrow(mismatch);
    expect(() => checkValue(element('string', true), ['x', null])).toThrow(mismatch);
  });

  it('knows embedded instances', () => {
    expect(isInstance(instance)).toBe(true);
    for (const other of [null, 'x', 1, [], new Uint8Array()]) expect(isInstance(other)).toBe(false);
  });
});
