import type {
  AccountDirectory,
  CallOptions,
  JobExtensions,
  JobProvider,
  UrlGroupExtensions,
  UrlGroupProvider,
} from '@carmine/core';
import { CarmineError, isCarmineError, isFailure } from '@carmine/errors';
import { isAdministrator, nobody, type Token } from '@carmine/security';
import type { ClassBinding, Values } from './binding.ts';
import { bitsClientFileClass } from './bits-classes.ts';
import { isNotFound, toCimError } from './cim-error.ts';
import type { AuditEvent, CimDispatcher } from './dispatcher-types.ts';
import { EventHub, type EventOptions } from './event-hub.ts';
import { prepareEventQuery } from './event-query.ts';
import { bindAccounts, bindJobExtensions, bindUrlGroupExtensions } from './extension-bindings.ts';
import { bindJobs } from './job-binding.ts';
import type { CimClass, CimInstance, CimMethod, CimOperations, CimValue, MethodResult, ObjectPath } from './model.ts';
import { formatObjectPath, parseObjectPath, resolveKeys } from './object-path.ts';
import { heldRoles, instanceRight, mayCall, methodRight, type Right, type RolesOf, rolesPermit } from './roles.ts';
import { CimSchema, findByName, inParameters, normaliseNamespace } from './schema.ts';
import { bindUrlGroups } from './url-group-binding.ts';
import { checkValue } from './values.ts';
import { parseWql } from './wql.ts';
import { parseAssociators } from './wql-associators.ts';
import { checkQuery, keyEquality, matches, project } from './wql-match.ts';

/** The provider interfaces that this machine has; a class whose provider is absent does not exist here. */
export interface Providers {
  readonly jobs?: JobProvider | undefined;
  readonly jobExtensions?: JobExtensions | undefined;
  readonly urlGroups?: UrlGroupProvider | undefined;
  readonly urlGroupExtensions?: UrlGroupExtensions | undefined;
  readonly accounts?: AccountDirectory | undefined;
}

export interface DispatcherOptions {
  readonly providers: Providers;
  /**
   * Called once per call, after it; must not throw. An enumeration or query is recorded when it begins, since nobody
   * need read it to its end, and once more if it fails on the way.
   */
  readonly audit?: ((event: AuditEvent) => void) | undefined;
  /** Roles below Administrator; nobody has one unless given. Asked at every call. */
  readonly rolesOf?: RolesOf | undefined;
  /** Time for event subscriptions, and how many there may be; without it there are none (`cim/not-supported`). */
  readonly events?: EventOptions | undefined;
}

/** Serves CIM calls with provider interfaces, behind the access check. */
export function createDispatcher(options: DispatcherOptions): CimDispatcher {
  const bindings = bind(options.providers);
  const embedded = options.providers.jobs === undefined ? [] : [bitsClientFileClass];
  const schema = new CimSchema([...embedded, ...bindings.map((binding) => binding.cls)]);
  const audit = options.audit ?? (() => {});
  const rolesOf = options.rolesOf ?? (() => []);
  const hub = options.events === undefined ? undefined : new EventHub(options.events, bindings);
  const machine: Machine = { schema, bindings, rolesOf, audit, hub };
  return {
    schema,
    mayManage: (token) => mayCall(token, rolesOf),
    session: (token: Token = nobody) => new Session(machine, token),
  };
}

/** What all sessions share. */
interface Machine {
  readonly schema: CimSchema;
  readonly bindings: readonly ClassBinding[];
  readonly rolesOf: RolesOf;
  readonly audit: (event: AuditEvent) => void;
  readonly hub: EventHub | undefined;
}

function bind(providers: Providers): readonly ClassBinding[] {
  const bindings: ClassBinding[] = [];
  if (providers.jobs !== undefined) bindings.push(bindJobs(providers.jobs));
  if (providers.jobExtensions !== undefined) bindings.push(...bindJobExtensions(providers.jobExtensions));
  if (providers.urlGroups !== undefined) bindings.push(bindUrlGroups(providers.urlGroups));
  if (providers.urlGroupExtensions !== undefined)
    bindings.push(...bindUrlGroupExtensions(providers.urlGroupExtensions));
  if (providers.accounts !== undefined) bindings.push(bindAccounts(providers.accounts));
  return bindings;
}

class Session implements CimOperations {
  readonly #schema: CimSchema;
  readonly #bindings: readonly ClassBinding[];
  readonly #token: Token;
  readonly #rolesOf: RolesOf;
  readonly #audit: (event: AuditEvent) => void;
  readonly #hub: EventHub | undefined;

  constructor({ schema, bindings, rolesOf, audit, hub }: Machine, token: Token) {
    this.#schema = schema;
    this.#bindings = bindings;
    this.#token = token;
    this.#rolesOf = rolesOf;
    this.#audit = audit;
    this.#hub = hub;
  }

  getInstance(path: ObjectPath, options: CallOptions = {}): Promise<CimInstance> {
    return this.#call('GetInstance', path, this.#toInstances('read', path), async () => {
      const { binding, cls } = this.#find(path.namespace, path.className);
      if (binding.get === undefined) throw notSupported('Get', cls);
      return toInstance(cls, await binding.get(resolveKeys(cls, path.keys), options));
    });
  }

  async *enumerateInstances(
    namespace: string,
    className: string,
    options: CallOptions = {},
  ): AsyncIterable<CimInstance> {
    const path = { namespace, className, keys: new Map() };
    const { binding, cls } = await this.#call('EnumerateInstances', path, this.#toInstances('read', path), async () =>
      this.#enumerable(namespace, className),
    );
    const source = this.#guarded('EnumerateInstances', path, binding.enumerate?.(options));
    for await (const values of source) yield toInstance(cls, values);
  }

  async *executeQuery(namespace: string, query: string, options: CallOptions = {}): AsyncIterable<CimInstance> {
    if (/^\s*(associators|references)\s+of\b/i.test(query)) {
      await this.#associated(namespace, query, options);
      return;
    }
    const path = { namespace, className: query, keys: new Map() };
    const toQueried = () => [instanceRight(this.#schema.findClass(namespace, parseWql(query).className), 'read')];
    const { binding, cls, parsed } = await this.#call('ExecuteQuery', path, toQueried, async () => {
      if (!this.#schema.hasNamespace(namespace))
        throw new CarmineError('cim/invalid-namespace', { context: { namespace } });
      const parsed = parseWql(query);
      const found = this.#find(namespace, parsed.className);
      checkQuery(found.cls, parsed, query);
      if (found.binding.enumerate === undefined && keyEquality(found.cls, parsed) === undefined) {
        throw notSupported('Enumerate', found.cls);
      }
      return { ...found, parsed };
    });
    const keys = keyEquality(cls, parsed);
    const source =
      keys !== undefined && binding.get !== undefined
        ? lookUp(binding.get(keys, options))
        : binding.enumerate?.(options);
    for await (const values of this.#guarded('ExecuteQuery', path, source)) {
      const instance = toInstance(cls, values);
      // A key look-up matches by meaning (a prefix in another spelling, a GUID in another case), not by text.
      if (keys !== undefined || matches(cls, parsed.where, instance)) yield project(cls, parsed, instance);
    }
  }

  /** No class here is an association: an object that exists has none, and one that does not is told. */
  #associated(namespace: string, text: string, options: CallOptions): Promise<void> {
    const asked = { namespace, className: text, keys: new Map() };
    const toObject = () => [
      instanceRight(this.#schema.findClass(namespace, objectOf(text, namespace).className), 'read'),
    ];
    return this.#call('ExecuteQuery', asked, toObject, async () => {
      const query = parseAssociators(text);
      const object = objectOf(text, namespace);
      const { binding, cls } = this.#find(object.namespace, object.className);
      for (const className of query?.classes ?? []) this.#find(object.namespace, className);
      if (query?.schemaOnly === true) return;
      if (binding.get === undefined) throw notSupported('Get', cls);
      await binding.get(resolveKeys(cls, object.keys), options);
    });
  }

  async subscribe(namespace: string, text: string, { signal }: CallOptions = {}): Promise<AsyncIterable<CimInstance>> {
    const path = { namespace, className: text, keys: new Map() };
    const prepare = () => prepareEventQuery(this.#schema, namespace, text);
    const rights = () => prepare().classes.map((cls) => instanceRight(cls, 'read'));
    return this.#call('Subscribe', path, rights, async () => {
      if (signal?.aborted === true) throw new CarmineError('internal/aborted');
      const query = prepare();
      if (this.#hub === undefined) throw notSupported('Subscribe', query.classes[0]!);
      return this.#hub.subscribe({
        query,
        owner: this.#token.userSid,
        signal,
        // A subscription may outlive the right to it.
        check: () => {
          const refusal = this.#refusal(rights);
          if (refusal !== undefined) throw refusal;
        },
        onFailure: (thrown) => {
          const denied = thrown.code === 'auth/access-denied';
          this.#record('Subscribe', path, denied ? 'denied' : 'failed', toCimError(thrown).hresult);
        },
      });
    });
  }

  modifyInstance(
    path: ObjectPath,
    changes: ReadonlyMap<string, CimValue>,
    options: CallOptions = {},
  ): Promise<CimInstance> {
    return this.#call('ModifyInstance', path, this.#toInstances('operate', path), async () => {
      const { binding, cls } = this.#find(path.namespace, path.className);
      if (binding.modify === undefined || binding.get === undefined) throw notSupported('Put', cls);
      const keys = resolveKeys(cls, path.keys);
      await binding.modify(keys, writableChanges(cls, keys, changes), options);
      return toInstance(cls, await binding.get(keys, options));
    });
  }

  deleteInstance(path: ObjectPath, options: CallOptions = {}): Promise<void> {
    return this.#call('DeleteInstance', path, this.#toInstances('delete', path), async () => {
      const { binding, cls } = this.#find(path.namespace, path.className);
      if (binding.delete === undefined) throw notSupported('Delete', cls);
      await binding.delete(resolveKeys(cls, path.keys), options);
    });
  }

  invokeMethod(
    path: ObjectPath,
    methodName: string,
    parameters: ReadonlyMap<string, CimValue>,
    options: CallOptions = {},
  ): Promise<MethodResult> {
    return this.#call(
      methodName,
      path,
      () => [methodRight(this.#schema.findClass(path.namespace, path.className), methodName)],
      async () => {
        const { binding, cls } = this.#find(path.namespace, path.className);
        const method = findByName(cls.methods, methodName);
        const run = method === undefined ? undefined : binding.methods[method.name];
        if (method === undefined || run === undefined) {
          throw new CarmineError('cim/invalid-method', { context: { className: cls.name, method: methodName } });
        }
        // A static method called on an instance runs all the same, as WMI does.
        const keys = method.isStatic ? new Map<string, CimValue>() : resolveKeys(cls, path.keys);
        // Whether the instance exists is part of "can the call be made"; everything after is the method's result.
        if (!method.isStatic && binding.get !== undefined) await binding.get(keys, options);
        const checked = checkParameters(method, parameters);
        try {
          return await run(keys, checked, options);
        } catch (error) {
          return failedMethod(method, error);
        }
      },
      (done) => done.returnValue,
    );
  }

  /**
   * The one place where a caller is checked: before anything is looked up for him, whatever is asked. `rights` is what his roles
   * must have; it reads the schema (and the query), never a provider, and only for those who hold a role.
   */
  async #call<T>(
    action: string,
    path: ObjectPath,
    rights: () => Rights,
    work: () => Promise<T>,
    resultOf: (done: T) => number = () => 0,
  ): Promise<T> {
    const refusal = this.#refusal(rights);
    if (refusal !== undefined) {
      const outcome = refusal.code === 'auth/access-denied' ? 'denied' : 'failed';
      this.#record(action, path, outcome, refusal.hresult);
      throw refusal;
    }
    try {
      const done = await work();
      this.#record(action, path, isFailure(resultOf(done)) ? 'failed' : 'allowed', resultOf(done));
      return done;
    } catch (thrown) {
      const error = toCimError(thrown);
      this.#record(action, path, 'failed', error.hresult);
      throw error;
    }
  }

  /** Why somebody may not make this call; undefined: he is an administrator, or his roles let him. */
  #refusal(rights: () => Rights): CarmineError | undefined {
    if (isAdministrator(this.#token)) return undefined;
    const held = heldRoles(this.#token, this.#rolesOf);
    if (held.length === 0) return new CarmineError('auth/access-denied');
    try {
      const permitted = rights().every((right) => rolesPermit(held, right));
      return permitted ? undefined : new CarmineError('auth/access-denied');
    } catch (thrown) {
      // A query that cannot be read asks for nothing that could be denied.
      return toCimError(thrown);
    }
  }

  #toInstances(action: 'read' | 'operate' | 'delete', path: ObjectPath): () => Rights {
    return () => [instanceRight(this.#schema.findClass(path.namespace, path.className), action)];
  }

  /** Failures of a provider while it is being read, as CIM errors. */
  async *#guarded(action: string, path: ObjectPath, source: AsyncIterable<Values> | undefined): AsyncIterable<Values> {
    if (source === undefined) return;
    try {
      yield* source;
    } catch (thrown) {
      const error = toCimError(thrown);
      this.#record(action, path, 'failed', error.hresult);
      throw error;
    }
  }

  #record(action: string, path: ObjectPath, outcome: AuditEvent['outcome'], result: number | undefined): void {
    this.#audit({ token: this.#token, action, object: formatObjectPath(path), outcome, result: result ?? 0 });
  }

  #find(namespace: string, className: string): { binding: ClassBinding; cls: CimClass } {
    if (!this.#schema.hasNamespace(namespace))
      throw new CarmineError('cim/invalid-namespace', { context: { namespace } });
    const cls = this.#schema.findClass(namespace, className);
    const binding = this.#bindings.find((candidate) => candidate.cls === cls);
    if (cls === undefined) throw new CarmineError('cim/invalid-class', { context: { className } });
    // A class that exists only embedded has no instances of its own.
    return { cls, binding: binding ?? { cls, methods: {} } };
  }

  #enumerable(namespace: string, className: string): { binding: ClassBinding; cls: CimClass } {
    const found = this.#find(namespace, className);
    if (found.binding.enumerate === undefined) throw notSupported('Enumerate', found.cls);
    return found;
  }
}

/** What a call needs, all of it; at least one. Undefined: administrators only. */
type Rights = readonly (Right | undefined)[];

/** The one instance that a query asks for by its key; a key that no instance can have finds none. */
async function* lookUp(values: Promise<Values>): AsyncIterable<Values> {
  try {
    yield await values;
  } catch (error) {
    if (!isNotFound(error) && !isCarmineError(error, 'url-group/invalid-prefix')) throw error;
  }
}

/** The object that an association query is about; other namespaces than the caller's are not looked into. */
function objectOf(text: string, namespace: string): ObjectPath {
  const object = parseObjectPath(parseAssociators(text)?.path ?? '', namespace);
  if (normaliseNamespace(object.namespace) !== normaliseNamespace(namespace))
    throw new CarmineError('cim/invalid-namespace', { context: { namespace: object.namespace } });
  return object;
}

function toInstance(cls: CimClass, values: Values): CimInstance {
  return { namespace: normaliseNamespace(cls.namespace), className: cls.name, properties: values };
}

/**
 * What of a Put is a change: read-only properties are ignored (DSP0226 R7.4-3 note; clients put whole instances back),
 * a key that differs is refused, an unknown property too.
 */
function writableChanges(cls: CimClass, keys: Values, changes: ReadonlyMap<string, CimValue>): Values {
  const writable = new Map<string, CimValue>();
  for (const [name, value] of changes) {
    const property = findByName(cls.properties, name);
    if (property === undefined)
      throw new CarmineError('cim/invalid-parameter', { context: { name, reason: 'no such property' } });
    if (property.key && value !== null && !sameKey(checkValue(property, value), keys.get(property.name) ?? null)) {
      throw new CarmineError('cim/key-changed', { context: { name } });
    }
    if (property.writable) writable.set(property.name, checkValue(property, value));
  }
  return writable;
}

/** Keys compare as WMI compares them: texts case-insensitively. */
function sameKey(a: CimValue, b: CimValue): boolean {
  return typeof a === 'string' && typeof b === 'string' ? a.toLowerCase() === b.toLowerCase() : a === b;
}

/** In-parameters by canonical name; every one present, absent optional ones as null. */
function checkParameters(method: CimMethod, given: ReadonlyMap<string, CimValue>): Values {
  const expected = inParameters(method);
  const checked = new Map<string, CimValue>(expected.map(({ name }) => [name, null]));
  const seen = new Set<string>();
  for (const [name, value] of given) {
    const parameter = findByName(expected, name);
    if (parameter === undefined) throw badParameters(method, `there is no parameter ${name}`);
    if (seen.has(parameter.name)) throw badParameters(method, `${parameter.name} is given twice`);
    seen.add(parameter.name);
    checked.set(parameter.name, checkValue(parameter, value));
  }
  for (const parameter of expected) {
    if (!parameter.optional && checked.get(parameter.name) === null)
      throw badParameters(method, `${parameter.name} is required`);
  }
  return checked;
}

/** An engine failure is the method's return value, with NULL out-parameters; our own bugs and lost objects are faults. */
function failedMethod(method: CimMethod, thrown: unknown): MethodResult {
  const error = toCimError(thrown);
  if (error.hresult === undefined || error.code.startsWith('cim/') || error.code.startsWith('internal/')) throw error;
  const out = method.parameters.filter(({ direction }) => direction === 'out').map(({ name }) => [name, null] as const);
  return { returnValue: error.hresult, out: new Map<string, CimValue>(out) };
}

function notSupported(operation: string, cls: CimClass): CarmineError {
  return new CarmineError('cim/not-supported', { context: { operation, className: cls.name } });
}

function badParameters(method: CimMethod, reason: string): CarmineError {
  return new CarmineError('cim/invalid-method-parameters', { context: { method: method.name, reason } });
}
