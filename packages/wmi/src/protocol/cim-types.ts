import type { CimClass, CimElement, CimInstance, CimType, CimValue } from '@carmine/cim';
import { findByName, isInstance } from '@carmine/cim';
import { orderOf } from '../wmio/instance.ts';
import {
  arrayFlag,
  type WmioClassPart,
  type WmioInstance,
  type WmioObject,
  type WmioProperty,
  type WmioValue,
  wmioTypes,
} from '../wmio/types.ts';

/** The number of an element's type. */
export function wmioTypeOf({ type, array }: Pick<CimElement, 'type' | 'array'>): number {
  return array ? wmioTypes[type] | arrayFlag : wmioTypes[type];
}

/** A value as WMIO takes it; `embed` makes objects of embedded instances. */
export function toWmioValue(value: CimValue, embed: (instance: CimInstance) => WmioObject): WmioValue {
  if (value === null) return null;
  if (typeof value === 'string') return value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value;
  if (typeof value !== 'object') return value;
  if (value instanceof Uint8Array) return Array.from(value);
  if (isInstance(value)) return embed(value);
  return value.map((item) => toWmioValue(item as CimValue, embed));
}

/** A value as CIM has it: octet arrays are Uint8Array. */
export function fromWmioValue(value: WmioValue, type: number, namespace: string, classes: ClassFinder): CimValue {
  if (value === null || typeof value !== 'object') return value;
  if (isList(value)) {
    if (type === (wmioTypes.uint8 | arrayFlag)) return Uint8Array.from(value, Number);
    return value.map((item) => fromWmioValue(item, type & ~arrayFlag, namespace, classes));
  }
  return value.kind === 'instance' ? toCimInstance(value, namespace, classes) : null;
}

/** Finds the class of an instance, for the spelling of its names; undefined when it is not known. */
export type ClassFinder = (namespace: string, className: string) => CimClass | undefined;

/** An instance with its values and the defaults of its class, as one of `namespace`. */
export function toCimInstance(instance: WmioInstance, namespace: string, classes: ClassFinder): CimInstance {
  const name = instance.current.name ?? instance.body.className ?? '';
  const cls = classes(namespace, name);
  const properties = new Map<string, CimValue>();
  const { values } = instance.body;
  for (const [spelled, { name: property, type, defaultValue }] of spellingsOf(instance.current, cls)) {
    const value = values.get(property);
    properties.set(spelled, fromWmioValue(value === undefined ? defaultValue : value, type, namespace, classes));
  }
  return { namespace, className: cls?.name ?? name, properties };
}

/** Properties in order, with their names as the known class spells them; found once for each class that is received. */
function spellingsOf(part: WmioClassPart, cls: CimClass | undefined): readonly (readonly [string, WmioProperty])[] {
  let known = spellings.get(part);
  if (known === undefined || known.cls !== cls) {
    const names = orderOf(part).map(
      (property) => [findByName(cls?.properties ?? [], property.name)?.name ?? property.name, property] as const,
    );
    known = { cls, names };
    spellings.set(part, known);
  }
  return known.names;
}

const spellings = new WeakMap<
  WmioClassPart,
  { readonly cls: CimClass | undefined; readonly names: readonly (readonly [string, WmioProperty])[] }
>();

/** The name of a WMIO type, as CIMTYPE has it. */
export function cimTypeOf(type: number): CimType | undefined {
  return typeNames.get(type & ~arrayFlag);
}

const typeNames: ReadonlyMap<number, CimType> = new Map(
  Object.entries(wmioTypes).map(([name, type]) => [type, name as CimType]),
);

function isList(value: WmioObject | readonly WmioValue[]): value is readonly WmioValue[] {
  return Array.isArray(value);
}
