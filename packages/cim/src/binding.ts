import type { CallOptions } from '@carmine/core';
import type { CimClass, CimValue, MethodResult } from './model.ts';

/** Property or parameter values by canonical name, checked against the schema before a binding sees them. */
export type Values = ReadonlyMap<string, CimValue>;

/** How a class is served by a provider interface. What is absent is answered with `cim/not-supported`. */
export interface ClassBinding {
  readonly cls: CimClass;
  get?(keys: Values, options: CallOptions): Promise<Values>;
  enumerate?(options: CallOptions): AsyncIterable<Values>;
  /**
   * Calls back when instances may have changed, `soon` when that is worth more looks than subscribers asked for; returns what ends it. Without it they are
   * looked at from time to time.
   */
  watch?(changed: (soon?: boolean) => void): () => void;
  modify?(keys: Values, changes: Values, options: CallOptions): Promise<void>;
  delete?(keys: Values, options: CallOptions): Promise<void>;
  /** By canonical method name. Static methods get no keys. */
  readonly methods: Readonly<Record<string, MethodBinding>>;
}

/** Runs a method; throws the engine's CarmineError, which the dispatcher turns into the return value. */
type MethodBinding = (keys: Values, parameters: Values, options: CallOptions) => Promise<MethodResult>;

/** Reads of checked values; a schema that promises a type makes these casts true. */
export const text = (values: Values, name: string): string => values.get(name) as string;
export const optionalText = (values: Values, name: string): string | undefined =>
  (values.get(name) as string | null) ?? undefined;
export const integer = (values: Values, name: string): number => values.get(name) as number;
export const optionalInteger = (values: Values, name: string): number | undefined =>
  (values.get(name) as number | null) ?? undefined;
export const optionalBoolean = (values: Values, name: string): boolean | undefined =>
  (values.get(name) as boolean | null) ?? undefined;
export const bytes = (values: Values, name: string): Uint8Array => values.get(name) as Uint8Array;

export function result(returnValue: number, out: Record<string, CimValue> = {}): MethodResult {
  return { returnValue, out: new Map(Object.entries(out)) };
}
