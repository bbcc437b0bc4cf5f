import { type CimClass, type CimValue, findByName, formatScalar, keyProperties, parseScalar } from '@carmine/cim';
import { attribute, children, type XmlElement } from '../xml/element.ts';
import { XmlWriter } from '../xml/writer.ts';
import { faultError } from './faults.ts';
import { anonymousAddress, namespaces } from './names.ts';
import { classUri, type ResourceUri } from './resource-uri.ts';

/** Selectors as they were sent, in order; `namespace` is the one called `__cimnamespace`. */
export interface Selectors {
  readonly namespace: string | undefined;
  readonly keys: ReadonlyMap<string, string>;
}

/**
 * Reads a w:SelectorSet. Throws the faults DuplicateSelectors (names match case-insensitively, [MS-WSMV] 3.1.4.1.2) and
 * SelectorLimit (DSP0226 R5.1.2.2-7/8).
 */
export function readSelectors(set: XmlElement | undefined): Selectors {
  if (set === undefined) return { namespace: undefined, keys: new Map() };
  let namespace: string | undefined;
  let total = 0;
  const keys = new Map<string, string>();
  const seen = new Set<string>();
  for (const selector of children(set, namespaces.w, 'Selector')) {
    const name = attribute(selector, '', 'Name')?.trim() ?? '';
    // UNSPECIFIED: keys that are references; no class here has one, so an EPR is just not a value.
    if (name === '') throw faultError('schemaValidation', { text: 'A selector has no name.' });
    if (selector.children.length > 0) throw faultError('selectorTypeMismatch');
    const value = selector.text.trim();
    total += name.length + value.length;
    if (name.length > 2048 || value.length > 4096 || total > 8096) throw faultError('selectorLimit');
    const lower = name.toLowerCase();
    if (seen.has(lower)) throw faultError('duplicateSelectors');
    seen.add(lower);
    if (lower === '__cimnamespace') namespace = value;
    else keys.set(name, value);
  }
  return { namespace, keys };
}

/** Typed key values of a class. Throws InsufficientSelectors, UnexpectedSelectors, or `cim/type-mismatch`. */
export function readKeys(cls: CimClass, selectors: Selectors): ReadonlyMap<string, CimValue> {
  if (selectors.keys.size === 0 && keyProperties(cls).length > 0) throw faultError('keysRequired');
  const keys = new Map<string, CimValue>();
  for (const [name, text] of selectors.keys) {
    const property = findByName(cls.properties, name);
    if (property === undefined || !property.key)
      throw faultError('unexpectedSelectors', { text: `Class ${cls.name} has no key ${name}.` });
    keys.set(property.name, parseScalar(property, text));
  }
  for (const { name } of keyProperties(cls))
    if (!keys.has(name))
      throw faultError('insufficientSelectors', { text: `Class ${cls.name} needs the key ${name}.` });
  return keys;
}

/** Writes w:SelectorSet, or nothing when there is nothing to select. */
export function writeSelectors(writer: XmlWriter, selectors: Iterable<readonly [string, CimValue]>): void {
  const items = [...selectors];
  if (items.length === 0) return;
  writer.start('w:SelectorSet');
  for (const [name, value] of items) writer.element('w:Selector', formatKey(value), { Name: name });
  writer.end('w:SelectorSet');
}

/** DSP0226 section 5.1.2: where an instance is. `__cimnamespace` goes with every form that does not name it, as on Windows. */
export function writeEndpointReference(
  uri: ResourceUri,
  namespace: string,
  className: string,
  keys: Iterable<readonly [string, CimValue]>,
): string {
  const writer = new XmlWriter().start('a:EndpointReference').element('a:Address', anonymousAddress);
  writer.start('a:ReferenceParameters').element('w:ResourceURI', classUri(uri, className));
  const first: readonly (readonly [string, CimValue])[] =
    uri.form === 'wmi' ? [] : [['__cimnamespace', namespace.replaceAll('\\', '/')]];
  writeSelectors(writer, [...first, ...keys]);
  return writer.end('a:ReferenceParameters').end('a:EndpointReference').toString();
}

/** A key as text. Keys are scalars; anything else has no text. */
export function formatKey(value: CimValue): string {
  return value === null || typeof value === 'object' ? '' : formatScalar(value);
}
