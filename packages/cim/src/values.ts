import { CarmineError } from '@carmine/errors';
import type { CimElement, CimType, CimValue } from './model.ts';

/** Inclusive ranges of the integer types. */
const ranges: Partial<Record<CimType, readonly [bigint, bigint]>> = {
  uint8: [0n, 0xffn],
  uint16: [0n, 0xffffn],
  uint32: [0n, 0xffff_ffffn],
  uint64: [0n, 0xffff_ffff_ffff_ffffn],
  sint8: [-0x80n, 0x7fn],
  sint16: [-0x8000n, 0x7fffn],
  sint32: [-0x8000_0000n, 0x7fff_ffffn],
  sint64: [-0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn],
  char16: [0n, 0xffffn],
};

/**
 * Reads the text form of one scalar (DSP0230 section 7): decimal integers, true/false in any case or 1/0, xs:double.
 * Throws `cim/type-mismatch` naming the element.
 */
export function parseScalar(element: CimElement, text: string): CimValue {
  const { type } = element;
  const trimmed = text.trim();
  switch (type) {
    case 'string':
    case 'datetime':
    case 'reference':
      return type === 'string' ? text : trimmed;
    case 'boolean':
      if (/^(true|1)$/i.test(trimmed)) return true;
      if (/^(false|0)$/i.test(trimmed)) return false;
      throw mismatch(element, 'expected true or false');
    case 'real32':
    case 'real64':
      return parseReal(element, trimmed);
    case 'char16':
      if (!/^\d{1,5}$/.test(trimmed) && text.length === 1) return text.charCodeAt(0);
      return parseInteger(element, trimmed);
    case 'object':
      throw mismatch(element, 'expected an embedded instance');
    default:
      return parseInteger(element, trimmed);
  }
}

/** Writes one scalar as text. */
export function formatScalar(value: boolean | number | bigint | string): string {
  if (typeof value !== 'number') return String(value);
  if (value === Number.POSITIVE_INFINITY) return 'INF';
  if (value === Number.NEGATIVE_INFINITY) return '-INF';
  return String(value);
}

/** Checks a value that a transport or a caller gives for an element; throws `cim/type-mismatch`. */
export function checkValue(element: CimElement, value: CimValue): CimValue {
  if (value === null) return null;
  if (element.array) {
    if (element.type === 'uint8') {
      if (value instanceof Uint8Array) return value;
      if (!Array.isArray(value)) throw mismatch(element, 'expected an array of bytes');
      return Uint8Array.from(value.map((item) => Number(checkScalar(element, item as CimValue))));
    }
    if (!Array.isArray(value)) throw mismatch(element, 'expected an array');
    return value.map((item) => checkScalar(element, item as CimValue));
  }
  return checkScalar(element, value);
}

function checkScalar(element: CimElement, value: CimValue): CimValue {
  const { type } = element;
  switch (type) {
    case 'boolean':
      if (typeof value === 'boolean') return value;
      break;
    case 'string':
    case 'datetime':
    case 'reference':
      if (typeof value === 'string') return value;
      break;
    case 'real32':
    case 'real64':
      if (typeof value === 'number') return value;
      break;
    case 'object':
      if (isInstance(value)) return value;
      break;
    default: {
      if (typeof value !== 'bigint' && !(typeof value === 'number' && Number.isInteger(value))) break;
      const integer = BigInt(value);
      const [low, high] = ranges[type]!;
      if (integer < low || integer > high) throw mismatch(element, `${integer} is out of range for ${type}`);
      return type === 'uint64' || type === 'sint64' ? integer : Number(integer);
    }
  }
  throw mismatch(element, `expected ${type}`);
}

/** True for an embedded instance. */
export function isInstance(value: CimValue): value is Extract<CimValue, { className: string }> {
  return typeof value === 'object' && value !== null && 'className' in value;
}

function parseInteger(element: CimElement, text: string): number | bigint {
  const { type } = element;
  if (!/^[+-]?\d{1,20}$/.test(text)) throw mismatch(element, `"${text.slice(0, 40)}" is not an integer`);
  const value = BigInt(text.replace(/^\+/, ''));
  const [low, high] = ranges[type]!;
  if (value < low || value > high) throw mismatch(element, `${text} is out of range for ${type}`);
  return type === 'uint64' || type === 'sint64' ? value : Number(value);
}

function parseReal(element: CimElement, text: string): number {
  if (text === 'INF') return Number.POSITIVE_INFINITY;
  if (text === '-INF') return Number.NEGATIVE_INFINITY;
  if (text === 'NaN') return Number.NaN;
  if (!/^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/.test(text))
    throw mismatch(element, `"${text.slice(0, 40)}" is not a number`);
  return Number(text);
}

function mismatch(element: CimElement, reason: string): CarmineError {
  return new CarmineError('cim/type-mismatch', { context: { name: element.name, reason } });
}
