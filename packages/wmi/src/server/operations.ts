import {
  type CimClass,
  type CimDispatcher,
  type CimInstance,
  type CimOperations,
  type CimValue,
  checkQuery,
  findByName,
  formatObjectPath,
  inParameters,
  keyProperties,
  matches,
  type ObjectPath,
  parseObjectPath,
  parseWql,
  project,
} from '@carmine/cim';
import { CarmineError } from '@carmine/errors';
import type { Token } from '@carmine/security';
import { noClass, noMethods, selectedNames, type WmioSchema } from '../protocol/cim-classes.ts';
import { fromWmioValue, toCimInstance } from '../protocol/cim-types.ts';
import { derivationOf } from '../protocol/system-classes.ts';
import { effectiveValue } from '../wmio/instance.ts';
import type { WmioObject } from '../wmio/types.ts';
import type { Source } from './cursor.ts';
import { findClass, type Namespace, systemInstances } from './namespaces.ts';

export interface OperationsOptions {
  readonly dispatcher: CimDispatcher;
  readonly schema: WmioSchema;
  readonly namespace: Namespace;
}

/**
 * What IWbemServices can do in one namespace, without the ways in which answers come. Data go through the dispatcher, which checks and
 * records every call; classes are published.
 */
export class Operations {
  readonly #dispatcher: CimDispatcher;
  readonly #schema: WmioSchema;
  readonly namespace: Namespace;

  constructor({ dispatcher, schema, namespace }: OperationsOptions) {
    this.#dispatcher = dispatcher;
    this.#schema = schema;
    this.namespace = namespace;
  }

  /** A class, an instance, or without a path an empty class, as a client fills one to create it. */
  async getObject(text: string | null, amended: boolean, token: Token, signal: AbortSignal): Promise<WmioObject> {
    if (text === null || text === '') return this.#emptyClass();
    const { cls, path } = this.#locate(text);
    if (path === undefined) return this.#schema.class(cls, amended);
    const system = systemInstances(this.namespace, cls);
    if (system !== undefined) {
      const found = system.find(({ properties }) => sameKeys(path.keys, properties));
      if (found === undefined) throw notFound(path);
      return this.#schema.instance(found);
    }
    return this.#schema.instance(await this.#session(token).getInstance(path, { signal }));
  }

  instances(className: string, token: Token): Source<WmioObject> {
    const cls = this.#requireClass(className);
    const system = systemInstances(this.namespace, cls);
    const { namespace } = cls;
    return system === undefined
      ? (signal) => this.#objects(this.#session(token).enumerateInstances(namespace, cls.name, { signal }))
      : () => this.#objects(each(system));
  }

  classes(superclass: string, shallow: boolean, amended: boolean): Source<WmioObject> {
    if (superclass !== '') this.#requireClass(superclass);
    const wanted = superclass.toLowerCase();
    const found = this.namespace.classes.filter((cls) => {
      const chain = derivationOf(cls).map((name) => name.toLowerCase());
      if (shallow) return (chain[0] ?? '') === wanted;
      return wanted === '' || chain.includes(wanted);
    });
    return () => each(found.map((cls) => this.#schema.class(cls, amended)));
  }

  /** `language` must be WQL. */
  query(language: string, text: string, ensureLocatable: boolean, amended: boolean, token: Token): Source<WmioObject> {
    checkLanguage(language);
    if (/\bfrom\s+meta_class\b/i.test(text)) return this.#metaClass(text, amended);
    const { name } = this.namespace;
    if (/^\s*(associators|references)\s+of\b/i.test(text))
      return (signal) => this.#objects(this.#session(token).executeQuery(name, text, { signal }));
    const parsed = parseWql(text);
    const cls = findClass(this.namespace, parsed.className);
    const system = cls === undefined ? undefined : systemInstances(this.namespace, cls);
    if (cls !== undefined && system !== undefined) {
      checkQuery(cls, parsed, text);
      const found = system
        .filter((instance) => matches(cls, parsed.where, instance))
        .map((instance) => project(cls, parsed, instance));
      return () => this.#objects(each(found), selectedNames(cls, parsed.properties));
    }
    let selected = cls === undefined ? undefined : selectedNames(cls, parsed.properties);
    const keys = cls === undefined ? [] : keyProperties(cls).map((property) => property.name);
    const missing = selected === undefined ? [] : keys.filter((key) => selected?.includes(key) !== true);
    let query = text;
    if (ensureLocatable && missing.length > 0) {
      selected = [...(selected ?? []), ...missing];
      query = text.replace(/^(\s*select\s+)/i, (start) => `${start}${missing.join(', ')}, `);
    }
    return (signal) => this.#objects(this.#session(token).executeQuery(name, query, { signal }), selected);
  }

  /** Resolves when the subscription stands. */
  async events(language: string, text: string, token: Token, signal: AbortSignal): Promise<AsyncIterable<WmioObject>> {
    checkLanguage(language);
    const events = await this.#session(token).subscribe(this.namespace.name, text, { signal });
    const schema = this.#schema;
    return {
      [Symbol.asyncIterator]() {
        const iterator = events[Symbol.asyncIterator]();
        return {
          async next() {
            const next = await iterator.next();
            return next.done === true ? next : { done: false, value: schema.instance(next.value) };
          },
          async return() {
            await iterator.return?.();
            return { done: true, value: undefined };
          },
        };
      },
    };
  }

  /** `only`: the properties that are to change, where the caller says so. Returns the path of the instance. */
  async putInstance(
    object: WmioObject,
    only: readonly string[] | undefined,
    token: Token,
    signal: AbortSignal,
  ): Promise<string> {
    if (object.kind !== 'instance') throw new CarmineError('wmi/invalid-object', { context: { reason: 'a class' } });
    const instance = toCimInstance(object, this.namespace.name, (_, name) => findClass(this.namespace, name));
    const cls = this.#requireClass(instance.className);
    const keys = new Map<string, CimValue>();
    const changes = new Map<string, CimValue>();
    for (const { name, key } of cls.properties) {
      if (key) keys.set(name, instance.properties.get(name) ?? null);
      // What stands for the default of the class was not given.
      else if (given(object, name) && (only === undefined || findByName(only.map(named), name) !== undefined))
        changes.set(name, instance.properties.get(name) ?? null);
    }
    const path = { namespace: this.namespace.name, className: cls.name, keys };
    await this.#session(token).modifyInstance(path, changes, { signal });
    return formatObjectPath(path);
  }

  async deleteInstance(text: string, token: Token, signal: AbortSignal): Promise<void> {
    const { cls, path } = this.#locate(text);
    if (path === undefined)
      throw new CarmineError('cim/missing-keys', { context: { className: cls.name, key: 'any' } });
    await this.#session(token).deleteInstance(path, { signal });
  }

  async execMethod(
    text: string,
    methodName: string,
    input: WmioObject | undefined,
    sealed: boolean,
    token: Token,
    signal: AbortSignal,
  ): Promise<WmioObject> {
    const { cls, path } = this.#locate(text);
    const method = findByName(cls.methods, methodName);
    if (method === undefined)
      throw new CarmineError('cim/invalid-method', { context: { className: cls.name, method: methodName } });
    // A password is not to be read on the way, whatever level the rest is allowed at.
    if (!sealed && inParameters(method).some(({ name }) => name === 'Password'))
      throw new CarmineError('auth/policy', {
        context: { mechanism: 'WMI', reason: 'a password needs packet privacy' },
        hresult: encryptedConnectionRequired,
      });
    const parameters = new Map<string, CimValue>();
    if (input?.kind === 'instance')
      for (const { name, type } of input.current.properties) {
        if (!given(input, name)) continue;
        const value = effectiveValue(input, name);
        parameters.set(
          name,
          fromWmioValue(value, type, this.namespace.name, (_, each) => findClass(this.namespace, each)),
        );
      }
    const target = path ?? { namespace: this.namespace.name, className: cls.name, keys: new Map() };
    const { returnValue, out } = await this.#session(token).invokeMethod(target, method.name, parameters, { signal });
    return this.#schema.outParameters(cls, method, returnValue, out);
  }

  /** What deleting a class is refused with: it is not there, or classes stay as they are. */
  deleteClass(name: string): never {
    if (findClass(this.namespace, name) === undefined)
      throw new CarmineError('cim/not-found', { context: { what: `class ${name}` } });
    throw new CarmineError('cim/not-supported', { context: { operation: 'DeleteClass', className: name } });
  }

  #session(token: Token): CimOperations {
    return this.#dispatcher.session(token);
  }

  #requireClass(name: string): CimClass {
    const cls = findClass(this.namespace, name);
    if (cls === undefined) throw new CarmineError('cim/invalid-class', { context: { className: name } });
    return cls;
  }

  /** An object path; `path` is undefined for the class itself. */
  #locate(text: string): { readonly cls: CimClass; readonly path: ObjectPath | undefined } {
    const { name } = this.namespace;
    const local = text.replace(/^\\\\[^\\]*\\[^:"]*:/, '');
    // `Class="value"` names the only key, `Class=@` the only instance.
    const single = /^([A-Za-z_]\w*)=((?:"|').*|-?\d+)$/s.exec(local);
    const single2 = single === null ? undefined : this.#requireKnown(single[1] ?? '');
    const [key] = single2 === undefined ? [] : keyProperties(single2);
    const whole = single === null || key === undefined ? local : `${single[1]}.${key.name}=${single[2]}`;
    const path = parseObjectPath(whole, name);
    const cls = this.#requireKnown(path.className);
    return { cls, path: path.keys.size === 0 ? undefined : { ...path, namespace: name } };
  }

  /** [MS-WMI]: an object that is not there, class or instance, is not found. */
  #requireKnown(className: string): CimClass {
    const cls = findClass(this.namespace, className);
    if (cls === undefined) throw new CarmineError('cim/not-found', { context: { what: `class ${className}` } });
    return cls;
  }

  #emptyClass(): WmioObject {
    return {
      kind: 'class',
      flags: 0,
      decoration: undefined,
      parent: noClass,
      parentMethods: noMethods,
      current: noClass,
      methods: noMethods,
    };
  }

  /** `select * from meta_class [where __this isa "X" | __class = "X"]`. */
  #metaClass(text: string, amended: boolean): Source<WmioObject> {
    const match =
      /^\s*select\s+.+?\s+from\s+meta_class(?:\s+where\s+(__this\s+isa|__class\s*=|__dynasty\s*=|__superclass\s*=)\s*["']([^"']*)["'])?\s*$/is.exec(
        text,
      );
    if (match === null)
      throw new CarmineError('cim/invalid-query', { context: { reason: 'not a query for classes', position: 1 } });
    const operator = match[1]?.toLowerCase().replace(/[\s=]/g, '');
    const value = (match[2] ?? '').toLowerCase();
    const found = this.namespace.classes.filter((cls) => {
      const chain = [cls.name, ...derivationOf(cls)].map((name) => name.toLowerCase());
      switch (operator) {
        case undefined:
          return true;
        case '__thisisa':
          return chain.includes(value);
        case '__class':
          return chain[0] === value;
        case '__dynasty':
          return chain.at(-1) === value;
        default:
          return (chain[1] ?? '') === value;
      }
    });
    return () => each(found.map((cls) => this.#schema.class(cls, amended)));
  }

  async *#objects(instances: AsyncIterable<CimInstance>, selected?: readonly string[]): AsyncIterable<WmioObject> {
    for await (const instance of instances) yield this.#schema.instance(instance, selected);
  }
}

async function* each<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items;
}

/** Whether an instance states a property, if only as NULL. */
function given(object: WmioObject, name: string): boolean {
  if (object.kind !== 'instance') return false;
  for (const key of object.body.values.keys()) if (key.toLowerCase() === name.toLowerCase()) return true;
  return false;
}

function named(name: string): { readonly name: string } {
  return { name };
}

function sameKeys(keys: ReadonlyMap<string, CimValue>, properties: ReadonlyMap<string, CimValue>): boolean {
  for (const [name, value] of keys) {
    const own = [...properties].find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
    if (typeof own !== 'string' || typeof value !== 'string' || own.toLowerCase() !== value.toLowerCase()) return false;
  }
  return true;
}

function checkLanguage(language: string): void {
  if (language.toLowerCase() !== 'wql') throw new CarmineError('cim/invalid-query-type', { context: { language } });
}

function notFound(path: ObjectPath): CarmineError {
  return new CarmineError('cim/not-found', { context: { what: formatObjectPath(path) } });
}

const encryptedConnectionRequired = 0x8004_1087;
