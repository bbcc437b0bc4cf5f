import type { CimClass, CimInstance, CimProperty, CimType, CimValue } from './model.ts';
import { formatObjectPath } from './object-path.ts';
import { keyProperties } from './schema.ts';

/**
 * The system properties of WMI (WMI documentation, WMI System Properties) that a query may ask for. They are no properties of a
 * class, and transports send them in their own way or not at all. `__PATH` and `__SERVER` are not among them: only a transport
 * knows by which name this machine was called.
 */
const systemProperties: Readonly<
  Record<string, { readonly type: CimType; read(cls: CimClass, of: CimInstance): CimValue }>
> = {
  __CLASS: { type: 'string', read: (cls) => cls.name },
  // No class here has a superclass, so each begins a dynasty of its own.
  __DYNASTY: { type: 'string', read: (cls) => cls.name },
  __SUPERCLASS: { type: 'string', read: () => null },
  __NAMESPACE: { type: 'string', read: (cls) => cls.namespace },
  // WBEM_GENUS_INSTANCE.
  __GENUS: { type: 'sint32', read: () => 2 },
  __PROPERTY_COUNT: { type: 'sint32', read: (cls) => cls.properties.length },
  __RELPATH: { type: 'string', read: relativePath },
};

/** The system property of that name, case-insensitively. */
export function systemProperty(name: string): CimProperty | undefined {
  const key = name.toUpperCase();
  const found = systemProperties[key];
  if (found === undefined) return undefined;
  return { name: key, type: found.type, array: false, key: false, writable: false, description: '' };
}

/** Its value for an instance; NULL for a name that is none. */
export function systemValue(cls: CimClass, instance: CimInstance, name: string): CimValue {
  return systemProperties[name]?.read(cls, instance) ?? null;
}

function relativePath(cls: CimClass, { namespace, properties }: CimInstance): string {
  const keys = new Map(keyProperties(cls).map(({ name }) => [name, properties.get(name) ?? null] as const));
  return formatObjectPath({ namespace, className: cls.name, keys });
}
