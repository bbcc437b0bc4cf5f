import {
  type CimElement,
  type CimInstance,
  type CimSchema,
  type CimValue,
  findByName,
  parseScalar,
} from '@carmine/cim';
import { CarmineError } from '@carmine/errors';
import { attribute, parseQName, type XmlElement } from '../xml/element.ts';
import { decodeBase64 } from './base64.ts';
import { parseDatetime } from './datetime.ts';
import { namespaces } from './names.ts';

/** Where classes of embedded instances are looked up. */
export interface CimDecoding {
  readonly schema: CimSchema;
  readonly namespace: string;
}

/**
 * Reads child elements as values of the known `elements`, in their order; only what is there comes back. Names match
 * by local part, case-insensitively, in any namespace. `unknown` is called for each name that is not known.
 * Throws `cim/type-mismatch`.
 */
export function decodeElements<T extends CimElement>(
  decoding: CimDecoding,
  elements: readonly T[],
  nodes: readonly XmlElement[],
  unknown: (name: string) => void,
): Map<string, CimValue> {
  const groups = new Map<string, XmlElement[]>();
  for (const node of nodes) {
    const element = findByName(elements, node.local);
    if (element === undefined) {
      unknown(node.local);
      continue;
    }
    const group = groups.get(element.name);
    if (group === undefined) groups.set(element.name, [node]);
    else group.push(node);
  }
  const values = new Map<string, CimValue>();
  for (const element of elements) {
    const group = groups.get(element.name);
    if (group !== undefined) values.set(element.name, decodeElement(decoding, element, group));
  }
  return values;
}

/** The name of the class of an instance: from xsi:type less `_Type`, else the element's own name. */
export function instanceClassName(node: XmlElement): string {
  return typeName(node)?.replace(/_Type$/, '') ?? node.local;
}

/** A value of an element of unknown type: text, or texts when the element is repeated, or NULL. */
export function decodeUntyped(nodes: readonly XmlElement[]): Map<string, CimValue> {
  const values = new Map<string, CimValue>();
  for (const node of nodes) {
    const value = isNil(node) ? null : (node.children[0]?.text ?? node.text);
    const earlier = values.get(node.local);
    if (earlier === undefined) values.set(node.local, value);
    else values.set(node.local, Array.isArray(earlier) ? [...(earlier as CimValue[]), value] : [earlier, value]);
  }
  return values;
}

/** xsi:nil; OMI's client declares the prefix as the XML Schema namespace (spec: section 12). */
function isNil(node: XmlElement): boolean {
  const value = attribute(node, namespaces.xsi, 'nil') ?? attribute(node, namespaces.xs, 'nil');
  return value !== undefined && /^\s*(true|1)\s*$/.test(value);
}

function decodeElement(decoding: CimDecoding, element: CimElement, nodes: readonly XmlElement[]): CimValue {
  const [first] = nodes;
  if (first === undefined) return null;
  if (nodes.length === 1 && isNil(first)) return null;
  if (!element.array) {
    if (nodes.length > 1) throw mismatch(element, 'given more than once');
    if (element.type === 'object') return decodeObjects(decoding, element, nodes)[0] ?? null;
    return decodeOne(element, first);
  }
  if (element.type === 'object') return decodeObjects(decoding, element, nodes);
  const values = nodes.filter((node) => !isNil(node));
  if (element.type !== 'uint8') return values.map((node) => decodeOne(element, node));
  // OctetString: OMI sends base64 and says so; Windows repeats numbers.
  if (values.length === 1 && typeName(first)?.toLowerCase() === 'cimbase64binary') {
    const bytes = decodeBase64(first.text);
    if (bytes === undefined) throw mismatch(element, 'expected base64');
    return bytes;
  }
  return Uint8Array.from(values.map((node) => Number(decodeOne(element, node))));
}

function decodeObjects(decoding: CimDecoding, element: CimElement, nodes: readonly XmlElement[]): CimInstance[] {
  return nodes
    .filter((node) => !isNil(node))
    .flatMap((node) => unwrap(element, node))
    .map((node) => decodeObject(decoding, element, node));
}

/** Some Windows providers put one child per instance into a wrapper (spec: section 6.5). */
function unwrap(element: CimElement, node: XmlElement): readonly XmlElement[] {
  if (typeName(node) !== undefined || element.embeddedClass === undefined || node.children.length === 0) return [node];
  const wanted = element.embeddedClass.toLowerCase();
  return node.children.every((item) => instanceClassName(item).toLowerCase() === wanted) ? node.children : [node];
}

function decodeObject(decoding: CimDecoding, element: CimElement, node: XmlElement): CimInstance {
  const className = typeName(node)?.replace(/_Type$/, '') ?? element.embeddedClass ?? node.local;
  const cls =
    decoding.schema.findClass(decoding.namespace, className) ??
    (element.embeddedClass === undefined
      ? undefined
      : decoding.schema.findClass(decoding.namespace, element.embeddedClass));
  if (cls === undefined) throw mismatch(element, `there is no class ${className}`);
  const given = decodeElements(decoding, cls.properties, node.children, () => {});
  return { namespace: cls.namespace, className: cls.name, properties: completeProperties(cls.properties, given) };
}

/** Every property in schema order: what was not sent is NULL, or an empty array, which has no elements. */
export function completeProperties(
  elements: readonly CimElement[],
  given: ReadonlyMap<string, CimValue>,
): Map<string, CimValue> {
  return new Map(elements.map((element) => [element.name, given.get(element.name) ?? absent(element, given)]));
}

function absent(element: CimElement, given: ReadonlyMap<string, CimValue>): CimValue {
  if (!element.array || given.has(element.name)) return null;
  return element.type === 'uint8' ? new Uint8Array(0) : [];
}

function decodeOne(element: CimElement, node: XmlElement): CimValue {
  if (isNil(node)) return null;
  if (element.type === 'datetime') {
    const value = parseDatetime(node.children[0]?.text ?? node.text);
    if (value === undefined) throw mismatch(element, 'expected a date');
    return value;
  }
  if (node.children.length > 0) throw mismatch(element, 'expected text, found elements');
  return parseScalar(element, node.text);
}

function typeName(node: XmlElement): string | undefined {
  const value = attribute(node, namespaces.xsi, 'type') ?? attribute(node, namespaces.xs, 'type');
  return value === undefined ? undefined : parseQName(node.scope, value).local;
}

function mismatch(element: CimElement, reason: string): CarmineError {
  return new CarmineError('cim/type-mismatch', { context: { name: element.name, reason } });
}
