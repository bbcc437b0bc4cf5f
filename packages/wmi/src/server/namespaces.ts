import { type CimClass, type CimInstance, type CimSchema, findByName, normaliseNamespace } from '@carmine/cim';
import { systemClasses } from '../protocol/system-classes.ts';

/** A namespace with what is in it besides the schema's classes. */
export interface Namespace {
  /** As documentation writes it: `root\Microsoft\BITS`. */
  readonly name: string;
  readonly children: readonly string[];
  /** All classes, those of the system first. */
  readonly classes: readonly CimClass[];
}

/** The namespaces of a schema, and the ones above them. */
export class Namespaces {
  readonly #schema: CimSchema;
  readonly #names: ReadonlyMap<string, string>;
  readonly #known = new Map<string, Namespace>();

  constructor(schema: CimSchema) {
    this.#schema = schema;
    const names = new Map<string, string>([['root', 'root']]);
    for (const { namespace } of schema.classes) {
      const parts = namespace.split('\\');
      for (let length = 1; length <= parts.length; length++) {
        const name = parts.slice(0, length).join('\\');
        if (!names.has(name.toLowerCase())) names.set(name.toLowerCase(), name);
      }
    }
    this.#names = names;
  }

  /** `\\HOST\root\x`, `//./root/x`, `root\x`: the machine does not matter, nor does the case. */
  find(text: string): Namespace | undefined {
    const slashed = text.replaceAll('/', '\\');
    const local = slashed.startsWith('\\\\') ? slashed.replace(/^\\\\[^\\]*\\?/, '') : slashed;
    const key = normaliseNamespace(local);
    const name = this.#names.get(key);
    if (name === undefined) return undefined;
    let found = this.#known.get(key);
    if (found === undefined) {
      found = { name, children: this.#childrenOf(key), classes: this.#classesOf(name) };
      this.#known.set(key, found);
    }
    return found;
  }

  #childrenOf(key: string): readonly string[] {
    return [...this.#names.values()].flatMap((name) => {
      const at = name.lastIndexOf('\\');
      return at >= 0 && name.slice(0, at).toLowerCase() === key ? [name.slice(at + 1)] : [];
    });
  }

  #classesOf(name: string): readonly CimClass[] {
    const events = eventNames.flatMap((event) => this.#schema.findClass(name, event) ?? []);
    return [...systemClasses(name), ...events, ...this.#schema.classesIn(name)];
  }
}

/** A class of a namespace, case-insensitively. */
export function findClass({ classes }: Namespace, name: string): CimClass | undefined {
  return findByName(classes, name);
}

/** Instances of the system classes; undefined for a class that is none of them. */
export function systemInstances(namespace: Namespace, cls: CimClass): readonly CimInstance[] | undefined {
  switch (cls.name) {
    case '__NAMESPACE':
      return namespace.children.map((name) => instance(namespace, cls, { Name: name }));
    case '__Win32Provider':
    case '__Provider':
      return [...new Set(namespace.classes.map(({ provider }) => provider))]
        .filter((provider) => provider !== '')
        .map((provider) => instance(namespace, win32Provider(namespace) ?? cls, { Name: provider }));
    case '__SystemClass':
      return [];
    default:
      return undefined;
  }
}

function win32Provider(namespace: Namespace): CimClass | undefined {
  return findClass(namespace, '__Win32Provider');
}

function instance({ name }: Namespace, cls: CimClass, values: Readonly<Record<string, string>>): CimInstance {
  const properties = new Map(cls.properties.map((property) => [property.name, values[property.name] ?? null] as const));
  return { namespace: name, className: cls.name, properties };
}

const eventNames = [
  '__InstanceOperationEvent',
  '__InstanceCreationEvent',
  '__InstanceModificationEvent',
  '__InstanceDeletionEvent',
];
