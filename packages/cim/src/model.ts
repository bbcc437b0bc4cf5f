import type { CallOptions } from '@carmine/core';

/** Intrinsic CIM types (DSP0004) plus `object` for embedded instances. */
export type CimType =
  | 'boolean'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'sint8'
  | 'sint16'
  | 'sint32'
  | 'sint64'
  | 'real32'
  | 'real64'
  | 'char16'
  | 'string'
  | 'datetime'
  | 'reference'
  | 'object';

/**
 * A value: 64-bit integers are bigint, other numbers number; datetime and reference are strings; uint8 arrays are
 * Uint8Array, other arrays are readonly arrays; null is CIM's NULL, which is not the empty array or string.
 */
export type CimValue = null | boolean | number | bigint | string | Uint8Array | CimInstance | readonly CimValue[];

/** What properties and parameters have in common. */
export interface CimElement {
  readonly name: string;
  readonly type: CimType;
  readonly array: boolean;
  /** For type `object`: the class of the embedded instances. */
  readonly embeddedClass?: string | undefined;
  readonly description: string;
}

export interface CimProperty extends CimElement {
  readonly key: boolean;
  readonly writable: boolean;
}

export interface CimParameter extends CimElement {
  readonly direction: 'in' | 'out';
  readonly optional: boolean;
}

/** All methods return uint32. Parameters in positional order. */
export interface CimMethod {
  readonly name: string;
  readonly isStatic: boolean;
  readonly parameters: readonly CimParameter[];
  readonly description: string;
}

export interface CimClass {
  /** With backslashes, as the documentation writes it: `root\Microsoft\BITS`. */
  readonly namespace: string;
  readonly name: string;
  readonly provider: string;
  readonly description: string;
  readonly properties: readonly CimProperty[];
  readonly methods: readonly CimMethod[];
}

/** An instance: properties by canonical name, in schema order when it comes from the dispatcher. */
export interface CimInstance {
  readonly namespace: string;
  readonly className: string;
  readonly properties: ReadonlyMap<string, CimValue>;
}

/** Names an instance; with empty `keys`, the class itself. Names match case-insensitively. */
export interface ObjectPath {
  readonly namespace: string;
  readonly className: string;
  readonly keys: ReadonlyMap<string, CimValue>;
}

/** Out-parameters by canonical name, and the method's uint32. */
export interface MethodResult {
  readonly returnValue: number;
  readonly out: ReadonlyMap<string, CimValue>;
}

/**
 * The calls a CIM client can make. The dispatcher implements it for one caller (`session(token)`); each transport's
 * client implements it too. Failures are CarmineErrors whose `hresult` is a WBEM_E_* code; a method that was executed
 * and failed is a MethodResult with the failure in `returnValue`.
 */
export interface CimOperations {
  getInstance(path: ObjectPath, options?: CallOptions): Promise<CimInstance>;
  enumerateInstances(namespace: string, className: string, options?: CallOptions): AsyncIterable<CimInstance>;
  /** WQL. A projection yields instances with the selected properties only. */
  executeQuery(namespace: string, query: string, options?: CallOptions): AsyncIterable<CimInstance>;
  /** Changes the given properties; returns the instance as it is then. */
  /**
   * WQL notification query (`SELECT * FROM __InstanceModificationEvent WITHIN 2 WHERE TargetInstance ISA 'BitsClientJob' AND
   * TargetInstance.State = 5`). Resolves when the subscription stands: every change after that moment is told. Items are
   * instances of the __Instance…Event classes, with TargetInstance (and PreviousInstance) embedded. To be iterated once; it
   * ends when `options.signal` aborts or the iterator is returned, one of which must happen, and throws when it cannot go on:
   * `cim/queue-overflow`, `auth/access-denied` when the caller's right was taken away, what the provider or the way throws.
   */
  subscribe(namespace: string, query: string, options?: CallOptions): Promise<AsyncIterable<CimInstance>>;
  modifyInstance(path: ObjectPath, changes: ReadonlyMap<string, CimValue>, options?: CallOptions): Promise<CimInstance>;
  deleteInstance(path: ObjectPath, options?: CallOptions): Promise<void>;
  invokeMethod(
    path: ObjectPath,
    method: string,
    parameters: ReadonlyMap<string, CimValue>,
    options?: CallOptions,
  ): Promise<MethodResult>;
}
