import { eventClasses } from './event-classes.ts';
import type { CimClass, CimElement, CimMethod, CimParameter, CimProperty } from './model.ts';

/** `root/Microsoft/BITS`, `\root\microsoft\bits`, … to `root\microsoft\bits`: how namespaces are compared. */
export function normaliseNamespace(namespace: string): string {
  let normal = normalForms.get(namespace);
  if (normal === undefined) {
    normal = namespace.trim().replaceAll('/', '\\').replace(/^\\+/, '').replace(/\\+$/, '').toLowerCase();
    // Callers use a few spellings again and again.
    if (normalForms.size < 32 && namespace.length < 64) normalForms.set(namespace, normal);
  }
  return normal;
}

const normalForms = new Map<string, string>();

/** Finds by name, case-insensitively, as WMI does. */
export function findByName<T extends { readonly name: string }>(items: readonly T[], name: string): T | undefined {
  const lower = name.toLowerCase();
  return items.find((item) => item.name.toLowerCase() === lower);
}

/**
 * A set of classes that can be looked up by namespace and name. Each namespace also has the classes of events, which are
 * found but not listed: they have no instances.
 */
export class CimSchema {
  readonly classes: readonly CimClass[];
  readonly #byKey: ReadonlyMap<string, CimClass>;
  readonly #namespaces: ReadonlySet<string>;

  constructor(classes: readonly CimClass[]) {
    this.classes = classes;
    const events = [...new Set(classes.map((cls) => cls.namespace))].flatMap(eventClasses);
    this.#byKey = new Map([...events, ...classes].map((cls) => [keyOf(cls.namespace, cls.name), cls]));
    this.#namespaces = new Set(classes.map((cls) => normaliseNamespace(cls.namespace)));
  }

  hasNamespace(namespace: string): boolean {
    return this.#namespaces.has(normaliseNamespace(namespace));
  }

  findClass(namespace: string, className: string): CimClass | undefined {
    return this.#byKey.get(keyOf(namespace, className));
  }

  classesIn(namespace: string): readonly CimClass[] {
    const wanted = normaliseNamespace(namespace);
    return this.classes.filter((cls) => normaliseNamespace(cls.namespace) === wanted);
  }
}

export function keyProperties(cls: CimClass): readonly CimProperty[] {
  return cls.properties.filter((property) => property.key);
}

export function inParameters(method: CimMethod): readonly CimParameter[] {
  return method.parameters.filter((parameter) => parameter.direction === 'in');
}

export function outParameters(method: CimMethod): readonly CimParameter[] {
  return method.parameters.filter((parameter) => parameter.direction === 'out');
}

/** The return value of every method, where a codec wants it as an element. */
export const returnValueElement: CimElement = {
  name: 'ReturnValue',
  type: 'uint32',
  array: false,
  description: '0, a success code, or the HRESULT of the failure.',
};

function keyOf(namespace: string, className: string): string {
  return `${normaliseNamespace(namespace)}:${className.trim().toLowerCase()}`;
}
