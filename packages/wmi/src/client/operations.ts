import {
  type CimClass,
  type CimElement,
  type CimInstance,
  type CimMethod,
  type CimOperations,
  type CimValue,
  checkValue,
  findByName,
  formatObjectPath,
  inParameters,
  type MethodResult,
  normaliseNamespace,
  type ObjectPath,
  outParameters,
  returnValueElement,
} from '@carmine/cim';
import type { CallOptions } from '@carmine/core';
import { CarmineError } from '@carmine/errors';
import { type DcomClient, isGone, type RemoteObject } from 'node-dcom-lite';
import { inParametersInstance, WmioSchema } from '../protocol/cim-classes.ts';
import { fromWmioValue, toCimInstance, toWmioValue } from '../protocol/cim-types.ts';
import { clsidLevel1Login, wbem, wbemFlags } from '../protocol/constants.ts';
import { errorOf } from '../protocol/errors.ts';
import { level1Login, services } from '../protocol/interfaces.ts';
import { marshalObject, unmarshalObject } from '../protocol/marshal.ts';
import { effectiveValue } from '../wmio/instance.ts';
import type { WmioInstance, WmioObject, WmioValue } from '../wmio/types.ts';
import { type Batch, nextTimeout, plainBatch, readEnumeration, smartBatches } from './enumerate.ts';
import { knownClasses, toCimClass } from './known-classes.ts';

export interface WmiOperationsOptions {
  readonly dcom: DcomClient;
  /** Objects of a batch; 1,000 unless given. */
  readonly batchSize?: number | undefined;
}

export interface WmiOperations extends CimOperations {
  /** Logs in and says nothing else: whether somebody is there who lets us in. */
  ping(options?: CallOptions): Promise<void>;
}

/**
 * The CIM calls of a machine behind DCOM. Each namespace is logged in to when it is first used, and again when the server's process
 * was another one meanwhile; calls that are safe to repeat then are.
 */
export function createWmiOperations(options: WmiOperationsOptions): WmiOperations {
  return new Client(options);
}

class Client implements WmiOperations {
  readonly #dcom: DcomClient;
  readonly #batchSize: number;
  readonly #schema = new WmioSchema(knownClasses, '');
  readonly #sessions = new Map<string, Promise<RemoteObject>>();
  readonly #classes = new Map<string, CimClass>();

  constructor({ dcom, batchSize = 1000 }: WmiOperationsOptions) {
    this.#dcom = dcom;
    this.#batchSize = batchSize;
  }

  async ping(options?: CallOptions): Promise<void> {
    await this.#session('root', options);
  }

  async getInstance(path: ObjectPath, options?: CallOptions): Promise<CimInstance> {
    return this.#toCim(await this.#getObject(path, options), path.namespace);
  }

  async *enumerateInstances(namespace: string, className: string, options?: CallOptions): AsyncIterable<CimInstance> {
    const open = async () => {
      const remote = await this.#session(namespace, options);
      return await remote.invoke(services, 'CreateInstanceEnum', { class: className, ...semiSynchronous }, options);
    };
    yield* this.#enumerate(namespace, open, `enumerating ${className}`, options);
  }

  async *executeQuery(namespace: string, query: string, options?: CallOptions): AsyncIterable<CimInstance> {
    const open = async () => {
      const remote = await this.#session(namespace, options);
      return await remote.invoke(services, 'ExecQuery', { language: 'WQL', query, ...semiSynchronous }, options);
    };
    yield* this.#enumerate(namespace, open, 'the query', options);
  }

  async subscribe(namespace: string, query: string, options: CallOptions = {}): Promise<AsyncIterable<CimInstance>> {
    const enumerator = await this.#retry(async () => {
      const remote = await this.#session(namespace, options);
      const request = { language: 'WQL', query, ...semiSynchronous };
      const given = await remote.invoke(services, 'ExecNotificationQuery', request, options);
      if (given.hresult !== 0 || given.enum === null) throw errorOf(given.hresult, 'the subscription');
      return await this.#dcom.unmarshal(given.enum, options);
    });
    return this.#events(enumerator, namespace, options.signal);
  }

  async modifyInstance(
    path: ObjectPath,
    changes: ReadonlyMap<string, CimValue>,
    options?: CallOptions,
  ): Promise<CimInstance> {
    const object = await this.#getObject(path, options);
    const cls = this.#classOf(path);
    const values = new Map<string, WmioValue>(object.body.values);
    for (const [name, value] of changes) {
      const property = findByName(object.current.properties, name);
      const element = cls === undefined ? undefined : findByName(cls.properties, name);
      if (property === undefined)
        throw new CarmineError('cim/invalid-parameter', { context: { name, reason: 'no such property' } });
      const checked = element === undefined ? value : checkValue(element, value);
      values.set(
        property.name,
        toWmioValue(checked, (instance) => this.#schema.instance(instance)),
      );
    }
    const instance = marshalObject({ ...object, body: { ...object.body, values, layout: undefined } });
    await this.#retry(async () => {
      const remote = await this.#session(path.namespace, options);
      const request = { instance, flags: 0, context: null, result: undefined };
      const { hresult } = await remote.invoke(services, 'PutInstance', request, options);
      if (hresult !== 0) throw errorOf(hresult, `Put of ${path.className}`);
    });
    return await this.getInstance(path, options);
  }

  async deleteInstance(path: ObjectPath, options?: CallOptions): Promise<void> {
    await this.#once(async () => {
      const remote = await this.#session(path.namespace, options);
      const request = { objectPath: formatObjectPath(path), flags: 0, context: null, result: undefined };
      const { hresult } = await remote.invoke(services, 'DeleteInstance', request, options);
      if (hresult !== 0) throw errorOf(hresult, `Delete of ${path.className}`);
    });
  }

  async invokeMethod(
    path: ObjectPath,
    methodName: string,
    parameters: ReadonlyMap<string, CimValue>,
    options?: CallOptions,
  ): Promise<MethodResult> {
    return await this.#once(async () => {
      // Who may not log in learns nothing of what is wrong with his call.
      const remote = await this.#session(path.namespace, options);
      const cls = this.#classOf(path) ?? (await this.#askClass(path, options));
      const method = findByName(cls.methods, methodName);
      // What is wrong with a call that cannot be written is for the server to say where it can.
      const input = method === undefined ? null : marshalObject(this.#inParameters(method, parameters));
      const request = {
        objectPath: formatObjectPath(path),
        method: method?.name ?? methodName,
        flags: 0,
        context: null,
        inParameters: input,
        outParameters: null,
        result: undefined,
      };
      const { outParameters: out, hresult } = await remote.invoke(services, 'ExecMethod', request, options);
      if (hresult !== 0) throw errorOf(hresult, `${cls.name}.${request.method}`);
      return this.#methodResult(path.namespace, method, out);
    });
  }

  #inParameters(method: CimMethod, parameters: ReadonlyMap<string, CimValue>): WmioInstance {
    const expected = inParameters(method);
    const given = new Map<string, CimValue>();
    for (const [name, value] of parameters) {
      const parameter = findByName(expected, name);
      if (parameter === undefined)
        throw new CarmineError('cim/invalid-method-parameters', {
          context: { method: method.name, reason: `there is no parameter ${name}` },
        });
      given.set(parameter.name, checkValue(parameter, value));
    }
    return inParametersInstance(method, given, (instance) => this.#schema.instance(instance));
  }

  #methodResult(namespace: string, method: CimMethod | undefined, objref: Uint8Array | null | undefined): MethodResult {
    const object = objref === null || objref === undefined ? undefined : unmarshalObject(objref);
    const out = new Map<string, CimValue>();
    let returnValue = 0;
    const expected: readonly CimElement[] = method === undefined ? [] : outParameters(method);
    for (const { name } of expected) out.set(name, null);
    if (object?.kind !== 'instance') return { returnValue, out };
    for (const { name, type } of object.current.properties) {
      const value = fromWmioValue(effectiveValue(object, name), type, namespace, this.#find);
      if (name.toLowerCase() === returnValueElement.name.toLowerCase()) returnValue = Number(value ?? 0);
      else out.set(findByName(expected, name)?.name ?? name, value);
    }
    return { returnValue, out };
  }

  async #getObject(path: ObjectPath, options: CallOptions | undefined): Promise<WmioInstance> {
    const object = await this.#retry(async () => {
      const remote = await this.#session(path.namespace, options);
      const objectPath = formatObjectPath(path);
      const request = { objectPath, flags: 0, context: null, object: null, result: undefined };
      const { object: found, hresult } = await remote.invoke(services, 'GetObject', request, options);
      if (hresult !== 0) throw errorOf(hresult, path.className);
      return found === null || found === undefined ? undefined : unmarshalObject(found);
    });
    if (object?.kind === 'instance') return object;
    // Without keys the path names the class: no instance.
    throw new CarmineError('cim/missing-keys', { context: { className: path.className, key: 'any' } });
  }

  async #askClass(path: ObjectPath, options: CallOptions | undefined): Promise<CimClass> {
    const key = `${normaliseNamespace(path.namespace)}:${path.className.toLowerCase()}`;
    const known = this.#classes.get(key);
    if (known !== undefined) return known;
    const remote = await this.#session(path.namespace, options);
    const request = { objectPath: path.className, flags: 0, context: null, object: null, result: undefined };
    const { object, hresult } = await remote.invoke(services, 'GetObject', request, options);
    if (hresult === wbem.notFound)
      throw new CarmineError('cim/invalid-class', { context: { className: path.className } });
    if (hresult !== 0 || object === null || object === undefined) throw errorOf(hresult, path.className);
    const read = unmarshalObject(object);
    if (read.kind !== 'class') throw new CarmineError('wmi/invalid-object', { context: { reason: 'not a class' } });
    const cls = toCimClass(path.namespace, read);
    this.#classes.set(key, cls);
    return cls;
  }

  async *#enumerate(
    namespace: string,
    open: () => Promise<{ readonly enum: Uint8Array | null; readonly hresult: number }>,
    what: string,
    options: CallOptions = {},
  ): AsyncIterable<CimInstance> {
    const { signal } = options;
    const enumerator = await this.#retry(async () => {
      const given = await open();
      if (given.hresult !== 0 || given.enum === null) throw errorOf(given.hresult, what);
      return await this.#dcom.unmarshal(given.enum, options);
    });
    let release: () => Promise<unknown> = () => enumerator.release();
    try {
      const smart = await smartBatches(enumerator, (objref) => this.#dcom.unmarshal(objref, options), signal);
      if (smart !== undefined) release = () => Promise.all([smart.release(), enumerator.release()]);
      const next: (count: number) => Promise<Batch> =
        smart?.next ?? ((count) => plainBatch(enumerator, count, nextTimeout, signal));
      for await (const object of readEnumeration(next, firstBatch, this.#batchSize, what))
        yield this.#toCim(object, namespace);
    } finally {
      await release();
    }
  }

  /** No generator: leaving one has to wait for what it waits for. */
  #events(enumerator: RemoteObject, namespace: string, outer: AbortSignal | undefined): AsyncIterable<CimInstance> {
    const controller = new AbortController();
    const abort = () => controller.abort();
    outer?.addEventListener('abort', abort, { once: true });
    if (outer?.aborted === true) abort();
    const leave = async (): Promise<IteratorReturnResult<undefined>> => {
      outer?.removeEventListener('abort', abort);
      controller.abort();
      // Nobody waits for what the server does with it.
      void enumerator.release();
      return { done: true, value: undefined };
    };
    const toCim = (object: WmioObject) => this.#toCim(object, namespace);
    return {
      [Symbol.asyncIterator]: () => ({
        async next() {
          for (;;) {
            if (controller.signal.aborted) return await leave();
            try {
              // Where calls must not overlap, one that waits holds up the others.
              const timeout = enumerator.concurrent ? eventTimeout : shortEventTimeout;
              const { objects, hresult } = await plainBatch(enumerator, 1, timeout, controller.signal);
              const [first] = objects;
              if (first !== undefined) return { done: false, value: toCim(first) };
              if (hresult === wbem.false) return await leave();
              if (hresult !== wbem.ok && hresult !== wbem.timedOut) throw errorOf(hresult, 'the subscription');
            } catch (error) {
              if (controller.signal.aborted) return await leave();
              await leave();
              throw error;
            }
          }
        },
        return: leave,
      }),
    };
  }

  #toCim(object: WmioObject, namespace: string): CimInstance {
    if (object.kind === 'class')
      throw new CarmineError('wmi/invalid-object', { context: { reason: 'a class in place of an instance' } });
    return toCimInstance(object, namespace, this.#find);
  }

  readonly #find = (namespace: string, className: string): CimClass | undefined =>
    knownClasses.findClass(namespace, className);

  #classOf({ namespace, className }: ObjectPath): CimClass | undefined {
    return this.#find(namespace, className);
  }

  /** IWbemServices of a namespace ([MS-WMI] 3.2.3). */
  #session(namespace: string, options: CallOptions | undefined): Promise<RemoteObject> {
    if (options?.signal?.aborted === true) return Promise.reject(new CarmineError('internal/aborted'));
    const key = normaliseNamespace(namespace);
    let session = this.#sessions.get(key);
    if (session === undefined) {
      session = this.#login(namespace);
      this.#sessions.set(key, session);
      session.catch(() => this.#sessions.delete(key));
    }
    return session.then((remote) => {
      if (!remote.lost) return remote;
      this.#forget();
      return this.#session(namespace, options);
    });
  }

  async #login(namespace: string): Promise<RemoteObject> {
    const login = await this.#dcom.activate(clsidLevel1Login, level1Login.iid);
    try {
      await login.invoke(level1Login, 'EstablishPosition', { reserved1: null, reserved2: 0 });
      const networkResource = `//./${namespace.replaceAll('\\', '/')}`;
      const request = { networkResource, preferredLocale: null, flags: 0, context: null };
      const given = await login.invoke(level1Login, 'NTLMLogin', request);
      if (given.hresult === wbem.invalidNamespace)
        throw new CarmineError('cim/invalid-namespace', { context: { namespace } });
      if (given.hresult !== 0 || given.services === null) throw errorOf(given.hresult, `namespace ${namespace}`);
      return await this.#dcom.unmarshal(given.services);
    } finally {
      void login.release();
    }
  }

  #forget(): void {
    this.#sessions.clear();
    this.#dcom.reset();
  }

  /** A call that may be made again when the connection or the server's process was gone. */
  async #retry<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (!isGone(error)) throw error;
      this.#forget();
      return await call();
    }
  }

  /** A call that must not happen twice: it is repeated only when the server says that its object was not there. */
  async #once<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof CarmineError) || error.code !== 'dcom/object-gone') throw error;
      this.#forget();
      return await call();
    }
  }
}

const semiSynchronous = { flags: wbemFlags.returnImmediately | wbemFlags.forwardOnly, context: null } as const;
/** Who waits for the first object does not wait for a thousand. */
const firstBatch = 20;
/** Milliseconds. */
const eventTimeout = 30_000;
const shortEventTimeout = 500;
