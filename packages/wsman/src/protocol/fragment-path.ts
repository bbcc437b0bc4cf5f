import {
  type CimClass,
  type CimInstance,
  type CimProperty,
  type CimSchema,
  type CimValue,
  findByName,
  isInstance,
} from '@carmine/cim';
import { faultError } from './faults.ts';

/**
 * The paths of w:FragmentTransfer (DSP0226 section 7.7 and annex D.1), the part of XPath that names a property:
 *
 *     path = "." | [ "./" ] step *( "/" step ) [ "/text()" ]        step = [ prefix ":" ] name [ "[" number "]" ]
 *
 * The context node is the instance. UNSPECIFIED: names match as names of properties do everywhere, case-insensitively and in any
 * namespace.
 */
export interface FragmentPath {
  /** None: the instance itself. */
  readonly steps: readonly FragmentStep[];
  /** Ends with `/text()`. */
  readonly text: boolean;
}

interface FragmentStep {
  readonly name: string;
  /** From 1. */
  readonly index: number | undefined;
}

/** A property that a path leads to, and the class that has it. */
export interface FragmentTarget {
  readonly owner: CimClass;
  readonly property: CimProperty;
}

/** What a path finds in an instance: a property and its value, or one item of it. */
export interface FragmentNode {
  readonly owner: CimClass;
  /** With `array` false when an item was picked. */
  readonly element: CimProperty;
  readonly value: CimValue;
}

/** Throws w:CannotProcessFilter (2150858899) for what is no such path; an absolute one is refused too ([MS-WSMV] note 65). */
export function parseFragmentPath(text: string): FragmentPath {
  const path = text.trim();
  if (path === '.') return { steps: [], text: false };
  const parts = path.replace(/^\.\//, '').split('/');
  const isText = parts.length > 1 && parts.at(-1) === 'text()';
  if (isText) parts.pop();
  if (path.length > maximumLength || parts.length > maximumDepth) throw bad();
  const steps = parts.map((part) => {
    const match = /^(?:[A-Za-z_][\w.-]*:)?([A-Za-z_]\w*)(?:\[\s*(\d{1,9})\s*\])?$/.exec(part.trim());
    if (match === null) throw bad();
    return { name: match[1]!, index: match[2] === undefined ? undefined : Number(match[2]) };
  });
  return { steps, text: isText };
}

/** Where the path leads in a class; undefined for the instance itself. Throws for what no instance of it can have. */
export function findFragment(schema: CimSchema, cls: CimClass, path: FragmentPath): FragmentTarget | undefined {
  let found: FragmentTarget | undefined;
  let owner: CimClass | undefined = cls;
  for (const { name } of path.steps) {
    const property: CimProperty | undefined = owner === undefined ? undefined : findByName(owner.properties, name);
    if (owner === undefined || property === undefined) throw bad();
    found = { owner, property };
    owner =
      property.embeddedClass === undefined ? undefined : schema.findClass(owner.namespace, property.embeddedClass);
  }
  // An embedded instance has elements, not text.
  if (path.text && found?.property.type === 'object') throw bad();
  return found;
}

/** What the path selects; the path has been found in the class before. */
export function selectFragment(
  schema: CimSchema,
  instance: CimInstance,
  { steps }: FragmentPath,
): readonly FragmentNode[] {
  let holders: readonly CimInstance[] = [instance];
  let nodes: readonly FragmentNode[] = [];
  for (const step of steps) {
    nodes = holders.flatMap((holder) => stepInto(schema, holder, step));
    holders = nodes.flatMap(({ value }) => (isInstance(value) ? [value] : arrayOf(value).filter(isInstance)));
  }
  return nodes;
}

function stepInto(schema: CimSchema, holder: CimInstance, { name, index }: FragmentStep): readonly FragmentNode[] {
  const owner = schema.findClass(holder.namespace, holder.className);
  const property = owner === undefined ? undefined : findByName(owner.properties, name);
  if (owner === undefined || property === undefined) return [];
  const value = holder.properties.get(property.name) ?? null;
  if (index === undefined) return [{ owner, element: property, value }];
  // A scalar, and NULL, is one element.
  const items = property.array && value !== null ? arrayOf(value) : [value];
  const item = items[index - 1];
  return item === undefined
    ? []
    : [{ owner, element: { ...property, array: property.array && item === null }, value: item }];
}

function arrayOf(value: CimValue): readonly CimValue[] {
  if (value instanceof Uint8Array) return [...value];
  return Array.isArray(value) ? (value as readonly CimValue[]) : [];
}

function bad() {
  return faultError('fragmentPath');
}

const maximumLength = 2048;
/** Classes embed each other once. */
const maximumDepth = 8;
