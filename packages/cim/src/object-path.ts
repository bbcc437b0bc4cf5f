import { CarmineError } from '@carmine/errors';
import type { CimClass, CimValue, ObjectPath } from './model.ts';
import { findByName, keyProperties } from './schema.ts';
import { checkValue, formatScalar, parseScalar } from './values.ts';

/**
 * WMI object paths (WMI documentation, Describing the Location of a WMI Object):
 *
 *     [\\server\]namespace:Class[.Key=value[,Key=value…]]      value: "text" | number | TRUE | FALSE
 *
 * `\` and `/` are the same in the namespace; in a quoted value `\` escapes the next character.
 */
export function parseObjectPath(text: string, defaultNamespace = ''): ObjectPath {
  const colon = namespaceEnd(text);
  const namespace = colon < 0 ? defaultNamespace : text.slice(0, colon).replace(/^[\\/]{2}[^\\/]*[\\/]/, '');
  const rest = text.slice(colon + 1);
  const match = /^([A-Za-z_]\w*)(?:\.(.+)|=@)?$/s.exec(rest);
  if (match === null) throw invalid('expected Class or Class.Key=value');
  const [, className = '', keyText] = match;
  return { namespace, className, keys: keyText === undefined ? new Map() : parseKeys(keyText) };
}

/** Writes the relative path `Class.Key="value"`; what names an instance in logs and audits. */
export function formatObjectPath(path: ObjectPath): string {
  const keys = [...path.keys].map(([name, value]) => `${name}=${formatKey(value)}`);
  return keys.length === 0 ? path.className : `${path.className}.${keys.join(',')}`;
}

/**
 * The keys of `cls` by canonical name with checked values; text values of numeric keys are parsed, since selectors are
 * text. Throws `cim/unexpected-keys` for a name that is no key, `cim/missing-keys` when one is absent or NULL.
 */
export function resolveKeys(cls: CimClass, keys: ReadonlyMap<string, CimValue>): ReadonlyMap<string, CimValue> {
  const expected = keyProperties(cls);
  const resolved = new Map<string, CimValue>();
  for (const [name, value] of keys) {
    const property = findByName(expected, name);
    if (property === undefined)
      throw new CarmineError('cim/unexpected-keys', { context: { className: cls.name, key: name } });
    // NULL names no instance.
    if (value === null) continue;
    const typed = typeof value === 'string' && property.type !== 'string' ? parseScalar(property, value) : value;
    resolved.set(property.name, checkValue(property, typed));
  }
  for (const { name } of expected) {
    if (!resolved.has(name))
      throw new CarmineError('cim/missing-keys', { context: { className: cls.name, key: name } });
  }
  return resolved;
}

/** The colon that ends the namespace is the first one outside quotes; a URL in a key value has others. */
function namespaceEnd(text: string): number {
  const colon = text.indexOf(':');
  const quote = text.indexOf('"');
  return colon >= 0 && (quote < 0 || colon < quote) ? colon : -1;
}

function parseKeys(text: string): ReadonlyMap<string, CimValue> {
  const keys = new Map<string, CimValue>();
  const seen = new Set<string>();
  const pattern =
    /\s*([A-Za-z_]\w*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(true|false)|(-?\d{1,20}))\s*(,|$)/iy;
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(text);
    if (match === null) throw invalid(`bad key at character ${at}`);
    const [, name = '', double, single, boolean, integer, end] = match;
    if (seen.has(name.toLowerCase())) throw invalid(`the key ${name} is given twice`);
    seen.add(name.toLowerCase());
    const quoted = double ?? single;
    if (quoted !== undefined) keys.set(name, quoted.replace(/\\(.)/gs, '$1'));
    else if (boolean !== undefined) keys.set(name, boolean.toLowerCase() === 'true');
    else keys.set(name, BigInt(integer ?? '0'));
    if (end === '') return keys;
  }
  throw invalid('the last key is missing');
}

function formatKey(value: CimValue): string {
  if (typeof value === 'string') return /[\\"]/.test(value) ? `"${value.replace(/[\\"]/g, '\\$&')}"` : `"${value}"`;
  if (typeof value === 'boolean') return value ? 'TRUE' : 'FALSE';
  if (typeof value === 'number' || typeof value === 'bigint') return formatScalar(value);
  return 'NULL';
}

function invalid(reason: string): CarmineError {
  return new CarmineError('cim/invalid-object-path', { context: { reason } });
}
