import { createRpcClient, type RpcClientConnection, type SyntaxId } from '@carmine/dcerpc';
import { CarmineError, isCarmineError } from '@carmine/errors';
import { guidOf } from '@carmine/wire';
import { NdrReader, NdrWriter } from '@carmine/wire/ndr';
import { comVersion } from '../identifiers.ts';
import type { OrpcMethod } from '../interface.ts';
import { orpcThis, readOrpcThat } from '../messages/orpc.ts';
import { comStatus } from '../status.ts';
import type { DcomClientOptions, InvokeOptions } from './types.ts';

/** A connection that is opened when it is first used; those who ask together share it. */
export class LazyConnection {
  readonly #options: DcomClientOptions;
  readonly #port: number;
  readonly #service: 'RPCSS' | 'host';
  #opening: Promise<RpcClientConnection> | undefined;
  #connection: RpcClientConnection | undefined;
  #closed = false;

  constructor(options: DcomClientOptions, port: number, service: 'RPCSS' | 'host') {
    this.#options = options;
    this.#port = port;
    this.#service = service;
  }

  /** Whether what it stood for is gone: objects of the other end do not outlive their process. */
  get lost(): boolean {
    return this.#closed || this.#connection?.closed === true;
  }

  /** Whether a call may take its time without holding up others. */
  get multiplexing(): boolean {
    return this.#connection?.multiplexing === true;
  }

  async open(signal: AbortSignal | undefined): Promise<RpcClientConnection> {
    if (this.#closed) throw new CarmineError('rpc/disconnected');
    if (this.#connection?.closed === true) this.#opening = undefined;
    this.#opening ??= this.#open(signal);
    try {
      return await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
    this.#opening?.then(
      (connection) => connection.close(),
      () => {},
    );
  }

  async #open(signal: AbortSignal | undefined): Promise<RpcClientConnection> {
    const { dial, host, security } = this.#options;
    const secured = await security(this.#service, signal);
    const stream = await dial({ host, port: this.#port }, signal);
    this.#connection = createRpcClient(stream, { security: secured });
    return this.#connection;
  }
}

/** Calls methods of objects over one connection. */
export class OrpcChannel {
  readonly connection: LazyConnection;
  readonly #options: DcomClientOptions;
  /** One for the whole chain of calls, as Windows does it. */
  readonly #cid: string;

  constructor(options: DcomClientOptions, connection: LazyConnection) {
    this.#options = options;
    this.connection = connection;
    this.#cid = guidOf(options.randomBytes(16));
  }

  async invoke<I, O>(
    syntax: SyntaxId,
    method: OrpcMethod<I, O>,
    ipid: string | undefined,
    input: I,
    options: InvokeOptions = {},
  ): Promise<O> {
    const writer = new NdrWriter();
    orpcThis.write(writer, {
      header: { version: comVersion, flags: ipid === undefined ? 1 : 0, reserved: 0, cid: this.#cid, extensions: null },
    });
    method.request.write(writer, input);
    const stub = writer.toBytes();
    return await withDeadline(this.#options, options, async (signal) => {
      const connection = await this.connection.open(signal);
      const answer = await connection
        .call({ syntax, opnum: method.opnum, stub, object: ipid, signal })
        .catch(fromFault);
      const reader = new NdrReader(answer.stub, { what: method.response.name, littleEndian: answer.littleEndian });
      try {
        readOrpcThat(reader);
        return method.response.read(reader);
      } catch (cause) {
        throw isCarmineError(cause) && cause.code.startsWith('wire/')
          ? new CarmineError('rpc/malformed', { context: { reason: cause.message }, cause })
          : cause;
      }
    });
  }
}

/** The caller's signal and a deadline, whichever comes first. */
export async function withDeadline<T>(
  { after, callTimeout = defaultTimeout }: DcomClientOptions,
  { signal, timeout = callTimeout }: InvokeOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (signal?.aborted === true) throw new CarmineError('internal/aborted');
  const controller = new AbortController();
  let late = false;
  const cancel = after(timeout, () => {
    late = true;
    controller.abort();
  });
  const abort = () => controller.abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await work(controller.signal);
  } catch (error) {
    if (late) throw new CarmineError('rpc/timed-out', { context: { milliseconds: timeout }, cause: error });
    throw error;
  } finally {
    cancel();
    signal?.removeEventListener('abort', abort);
  }
}

function fromFault(error: unknown): never {
  if (isCarmineError(error, 'rpc/fault') && error.context['value'] === comStatus.disconnected)
    throw new CarmineError('dcom/object-gone', { cause: error });
  throw error;
}

const defaultTimeout = 60_000;
