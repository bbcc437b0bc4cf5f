import { CarmineError } from '@carmine/errors';
import { type OrpcCall, type RemoteObject, readObjRef } from 'node-dcom-lite';
import { statusComplete, wbem } from '../protocol/constants.ts';
import { hresultOf } from '../protocol/errors.ts';
import { objectSink } from '../protocol/interfaces.ts';
import { marshalObject } from '../protocol/marshal.ts';
import type { WmioObject } from '../wmio/types.ts';
import { Cursor, type Source } from './cursor.ts';
import type { WmiServerOptions } from './types.ts';

/**
 * Asynchronous calls ([MS-WMI] 3.1.1.1.3): results go to a client's IWbemObjectSink, in batches, and at the end the status. Each user
 * may have a few running; CancelAsyncCall ends those of its sink.
 */
export class SinkCalls {
  readonly #options: WmiServerOptions;
  readonly #running = new Map<string, Set<AbortController>>();
  readonly #perUser = new Map<string, number>();

  constructor(options: WmiServerOptions) {
    this.#options = options;
  }

  /** Starts; the HRESULT of the call that asked for it. */
  async start(sink: Uint8Array | null, call: OrpcCall, source: Source<WmioObject>): Promise<number> {
    const { connectSink, onError } = this.#options;
    if (connectSink === undefined) return wbem.notSupported;
    if (sink === null) return wbem.invalidParameter;
    const { userSid } = call.token;
    const own = this.#perUser.get(userSid) ?? 0;
    if (own >= maxPerUser) return wbem.quotaViolation;
    let remote: RemoteObject;
    let key: string;
    try {
      key = keyOf(sink, userSid);
      remote = await connectSink(sink, call);
    } catch (error) {
      return hresultOf(error);
    }
    this.#perUser.set(userSid, own + 1);
    const controller = new AbortController();
    const same = this.#running.get(key) ?? new Set();
    this.#running.set(key, same.add(controller));
    this.#deliver(remote, controller.signal, source)
      .catch((error: unknown) => onError?.(error))
      .finally(() => {
        same.delete(controller);
        if (same.size === 0) this.#running.delete(key);
        const left = (this.#perUser.get(userSid) ?? 1) - 1;
        if (left > 0) this.#perUser.set(userSid, left);
        else this.#perUser.delete(userSid);
        void remote.release();
      });
    return wbem.ok;
  }

  /** CancelAsyncCall. */
  cancel(sink: Uint8Array | null, call: OrpcCall): number {
    if (sink === null) return wbem.invalidParameter;
    const running = this.#running.get(keyOf(sink, call.token.userSid));
    if (running === undefined) return wbem.notFound;
    for (const controller of running) controller.abort();
    return wbem.ok;
  }

  async #deliver(remote: RemoteObject, signal: AbortSignal, source: Source<WmioObject>): Promise<void> {
    let hresult: number = wbem.ok;
    const cursor = new Cursor(source);
    signal.addEventListener('abort', () => cursor.close(), { once: true });
    try {
      for (let state = 'wait'; state !== 'end'; ) {
        // Events are told one by one, as they come; what is there already goes together.
        const first = await cursor.take(1, signal);
        const more = first.state === 'full' ? await cursor.take(batch - 1, AbortSignal.abort()) : undefined;
        const objects = [...first.items, ...(more?.items ?? [])].map(marshalObject);
        state = more?.state === 'end' ? 'end' : first.state;
        if (objects.length > 0) {
          const answer = await remote.invoke(objectSink, 'Indicate', { objects });
          if (answer.hresult !== 0) throw new CarmineError('internal/aborted');
        }
        if (signal.aborted) throw new CarmineError('internal/aborted');
      }
    } catch (error) {
      hresult = hresultOf(error);
    } finally {
      cursor.close();
    }
    await remote.invoke(objectSink, 'SetStatus', { flags: statusComplete, hresult, text: null, object: null });
  }
}

/** A sink is known by its object, whichever references to it are sent. */
function keyOf(sink: Uint8Array, owner: string): string {
  const read = readObjRef(sink);
  if (read.kind !== 'standard')
    throw new CarmineError('dcom/invalid-objref', { context: { reason: 'a sink by value' } });
  return `${owner} ${read.reference.oxid} ${read.reference.oid}`;
}

const batch = 100;
const maxPerUser = 100;
