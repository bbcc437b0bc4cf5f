import type { NdrParameters } from '@carmine/wire/ndr';

/** A method of a remote interface: its opnum and messages, without ORPCTHIS and ORPCTHAT. */
export interface OrpcMethod<I, O> {
  readonly opnum: number;
  readonly request: NdrParameters<I>;
  readonly response: NdrParameters<O>;
}

// biome-ignore lint/suspicious/noExplicitAny: each method has messages of its own.
export type AnyMethod = OrpcMethod<any, any>;

/** A remote interface, declared once for clients and servers. */
export interface InterfaceDefinition<M extends Readonly<Record<string, AnyMethod>>> {
  readonly name: string;
  readonly iid: string;
  readonly methods: M;
}

export function defineMethod<I, O>(
  opnum: number,
  request: NdrParameters<I>,
  response: NdrParameters<O>,
): OrpcMethod<I, O> {
  return { opnum, request, response };
}

export function defineInterface<const M extends Readonly<Record<string, AnyMethod>>>(
  name: string,
  iid: string,
  methods: M,
): InterfaceDefinition<M> {
  return { name, iid, methods };
}

export type RequestOf<M> = M extends OrpcMethod<infer I, infer _> ? I : never;
export type ResponseOf<M> = M extends OrpcMethod<infer _, infer O> ? O : never;
