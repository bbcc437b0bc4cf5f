import {
  type CimClass,
  type CimElement,
  type CimInstance,
  type CimProperty,
  type CimSchema,
  type CimValue,
  formatScalar,
  isInstance,
} from '@carmine/cim';
import { CarmineError } from '@carmine/errors';
import type { XmlAttributes } from '../xml/writer.ts';
import { FixedAttributes, XmlWriter } from '../xml/writer.ts';
import { formatDatetime } from './datetime.ts';
import type { FragmentNode } from './fragment-path.ts';
import { namespaces } from './names.ts';
import { classUri, type ResourceUri } from './resource-uri.ts';

/** What the encoding of values depends on beside the value. */
export interface CimEncoding {
  readonly schema: CimSchema;
  /** The form of class URIs: that of the request. */
  readonly uri: ResourceUri;
  /** Option `msftwinrm:UsePreciseArrays`. */
  readonly preciseArrays: boolean;
}

/**
 * An instance (spec: section 6.1): all its class's properties, alphabetically as Windows prints them, NULL as nil.
 * Throws `cim/invalid-class` when the schema has no such class.
 */
export function encodeInstance(encoding: CimEncoding, instance: CimInstance): string {
  const cls = classOf(encoding.schema, instance);
  const name = `p:${cls.name}`;
  const writer = new XmlWriter().start(name, {
    'xmlns:xsi': namespaces.xsi,
    'xmlns:p': classUri(encoding.uri, cls.name),
    'xmlns:cim': namespaces.cim,
    'xsi:type': `${name}_Type`,
  });
  encodeProperties(writer, encoding, cls, instance, 'p');
  return writer.end(name).toString();
}

/** What a projecting query gives: un-namespaced elements in w:XmlFragment ([MS-WSMV] notes 58-60). */
export function encodeFragment(encoding: CimEncoding, instance: CimInstance): string {
  const cls = classOf(encoding.schema, instance);
  const writer = new XmlWriter().start('w:XmlFragment', { 'xmlns:xsi': namespaces.xsi, 'xmlns:cim': namespaces.cim });
  for (const property of sortedProperties(cls)) {
    const value = instance.properties.get(property.name);
    if (value !== undefined) encodeElement(writer, encoding, cls.namespace, '', property, value);
  }
  return writer.end('w:XmlFragment').toString();
}

/**
 * What a fragment path found (DSP0226 section 7.7): elements of the instance's own namespaces, or their texts (R7.7-6).
 * UNSPECIFIED: what is there when nothing was found; here nil, so that it is not an empty text.
 */
export function encodeNodes(encoding: CimEncoding, nodes: readonly FragmentNode[], asText: boolean): string {
  const writer = new XmlWriter();
  if (asText) {
    const texts = nodes.flatMap(({ element, value }) => textsOf(element, value));
    if (texts.length === 0) return writer.empty('w:XmlFragment', nilFragment).toString();
    return writer.element('w:XmlFragment', texts.join('')).toString();
  }
  for (const { owner, element, value } of nodes) encodeElement(writer, encoding, owner.namespace, 'p:', element, value);
  const inner = writer.toString();
  const owner = nodes[0]?.owner;
  if (inner === '' || owner === undefined) return new XmlWriter().empty('w:XmlFragment', nilFragment).toString();
  const attributes = {
    'xmlns:xsi': namespaces.xsi,
    'xmlns:p': classUri(encoding.uri, owner.name),
    'xmlns:cim': namespaces.cim,
  };
  return new XmlWriter().start('w:XmlFragment', attributes).append(inner).end('w:XmlFragment').toString();
}

/** The text of each element that the value would be. */
function textsOf(element: CimElement, value: CimValue): readonly string[] {
  if (value === null || isInstance(value)) return [];
  if (value instanceof Uint8Array) return [...value].map(String);
  if (Array.isArray(value)) return (value as readonly CimValue[]).flatMap((item) => textsOf(element, item));
  const text = formatScalar(value as boolean | number | bigint | string);
  return [element.type === 'datetime' ? formatDatetime(text).text : text];
}

/** Values of a method call, in the order given, as `p:Method_INPUT` or `p:Method_OUTPUT`. */
export function encodeParameters(
  encoding: CimEncoding,
  cls: CimClass,
  name: string,
  values: Iterable<readonly [CimElement, CimValue]>,
): string {
  const writer = new XmlWriter().start(`p:${name}`, {
    'xmlns:xsi': namespaces.xsi,
    'xmlns:p': classUri(encoding.uri, cls.name),
    'xmlns:cim': namespaces.cim,
  });
  for (const [element, value] of values) encodeElement(writer, encoding, cls.namespace, 'p:', element, value);
  return writer.end(`p:${name}`).toString();
}

function encodeProperties(
  writer: XmlWriter,
  encoding: CimEncoding,
  cls: CimClass,
  instance: CimInstance,
  prefix: string,
): void {
  for (const property of sortedProperties(cls)) {
    const value = instance.properties.get(property.name) ?? null;
    encodeElement(writer, encoding, cls.namespace, `${prefix}:`, property, value);
  }
}

function encodeElement(
  writer: XmlWriter,
  encoding: CimEncoding,
  namespace: string,
  prefix: string,
  element: CimElement,
  value: CimValue,
): void {
  const name = prefix + element.name;
  if (value === null) {
    writer.empty(name, element.array && encoding.preciseArrays ? preciseNull : plainNull);
  } else if (!element.array) {
    encodeOne(writer, encoding, namespace, name, element, value);
  } else if (value instanceof Uint8Array) {
    for (const byte of value) writer.element(name, String(byte));
  } else if (Array.isArray(value)) {
    // "Null elements inside arrays must not be sent" ([MS-WSMV] 3.1.4.1.26); an empty array is no element at all.
    for (const item of value as readonly CimValue[])
      if (item !== null) encodeOne(writer, encoding, namespace, name, element, item);
  } else throw mismatch(element);
}

function encodeOne(
  writer: XmlWriter,
  encoding: CimEncoding,
  namespace: string,
  name: string,
  element: CimElement,
  value: CimValue,
): void {
  if (isInstance(value)) {
    const cls = classOf(encoding.schema, { ...value, namespace: value.namespace || namespace });
    // The embedded class's own namespace, and the type by which the receiver knows the class (spec: section 6.5).
    const inner = `${name.includes(':') ? name.slice(0, name.indexOf(':')) : 'p'}1`;
    const attributes: XmlAttributes = {
      [`xmlns:${inner}`]: classUri(encoding.uri, cls.name),
      'xsi:type': `${inner}:${cls.name}_Type`,
    };
    writer.start(name, attributes);
    encodeProperties(writer, encoding, cls, value, inner);
    writer.end(name);
  } else if (typeof value === 'object') {
    throw mismatch(element);
  } else if (element.type === 'datetime') {
    const datetime = formatDatetime(String(value));
    writer.start(name).element(`cim:${datetime.element}`, datetime.text).end(name);
  } else if (element.type === 'char16' && typeof value === 'number') {
    writer.element(name, String.fromCharCode(value));
  } else writer.element(name, formatScalar(value));
}

function classOf(schema: CimSchema, instance: CimInstance): CimClass {
  const cls = schema.findClass(instance.namespace, instance.className);
  if (cls === undefined) throw new CarmineError('cim/invalid-class', { context: { className: instance.className } });
  return cls;
}

function sortedProperties(cls: CimClass): readonly CimProperty[] {
  let sorted = sortedOf.get(cls);
  if (sorted === undefined) {
    sorted = [...cls.properties].sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
    sortedOf.set(cls, sorted);
  }
  return sorted;
}

function mismatch(element: CimElement): CarmineError {
  return new CarmineError('cim/type-mismatch', {
    context: { name: element.name, reason: `expected ${element.type}${element.array ? '[]' : ''}` },
  });
}

const sortedOf = new WeakMap<CimClass, readonly CimProperty[]>();
const nilFragment: XmlAttributes = { 'xmlns:xsi': namespaces.xsi, 'xsi:nil': 'true' };
const plainNull = new FixedAttributes({ 'xsi:nil': 'true' });
const preciseNull = new FixedAttributes({ 'xsi:nil': 'true', 'xmlns:m': namespaces.p, 'm:IsNullArray': 'true' });
