import type { CallOptions, SuccessCode } from '@carmine/core';
import { CarmineError, errorFromHresult, isCarmineError, isFailure } from '@carmine/errors';
import type { CimOperations, CimValue, MethodResult, ObjectPath } from './model.ts';

export type CallParameters = Record<string, CimValue | undefined>;

/** Calls of one machine; a failure in a return value becomes the CarmineError of that HRESULT. */
export class Caller {
  readonly cim: CimOperations;

  constructor(cim: CimOperations) {
    this.cim = cim;
  }

  async invoke(
    path: ObjectPath,
    method: string,
    parameters: CallParameters,
    options?: CallOptions,
  ): Promise<MethodResult> {
    const given = new Map<string, CimValue>();
    for (const [name, value] of Object.entries(parameters)) if (value !== undefined) given.set(name, value);
    const done = await this.cim.invokeMethod(path, method, given, options);
    if (isFailure(done.returnValue)) throw errorFromHresult(done.returnValue, method);
    return done;
  }

  async act(path: ObjectPath, method: string, parameters: CallParameters, options?: CallOptions): Promise<SuccessCode> {
    return (await this.invoke(path, method, parameters, options)).returnValue;
  }
}

export function pathTo(namespace: string, className: string, keys: Record<string, CimValue> = {}): ObjectPath {
  return { namespace, className, keys: new Map(Object.entries(keys)) };
}

export async function notFound<T>(call: Promise<T>, error: () => CarmineError): Promise<T> {
  try {
    return await call;
  } catch (thrown) {
    throw isCarmineError(thrown, 'cim/not-found') ? error() : thrown;
  }
}

/** A machine without Carmine's namespace says so in the words of its WMI. */
export function extensionError(thrown: unknown, what: string): unknown {
  const missing = isCarmineError(thrown, 'cim/invalid-namespace') || isCarmineError(thrown, 'cim/invalid-class');
  return missing
    ? new CarmineError('controller/extension-missing', { context: { target: 'this machine', what }, cause: thrown })
    : thrown;
}

export function indexOf<T>(names: readonly T[], name: T | undefined): number | undefined {
  return name === undefined ? undefined : names.indexOf(name);
}

export function nameOf<T extends string>(names: readonly T[], value: CimValue | undefined, what: string): T {
  const name = names[Number(value ?? -1)];
  if (name === undefined)
    throw new CarmineError('wsman/unexpected', { context: { reason: `the value of ${what} is unknown` } });
  return name;
}

export const asText = (value: CimValue | undefined): string => (typeof value === 'string' ? value : '');
export const asNullableText = (value: CimValue | undefined): string | null =>
  typeof value === 'string' ? value : null;
export const asNumber = (value: CimValue | undefined): number =>
  typeof value === 'number' || typeof value === 'bigint' ? Number(value) : 0;
export const asBigint = (value: CimValue | undefined): bigint =>
  typeof value === 'number' || typeof value === 'bigint' ? BigInt(value) : 0n;
