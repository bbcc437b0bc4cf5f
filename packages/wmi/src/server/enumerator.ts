import { CarmineError } from '@carmine/errors';
import { guidOf } from '@carmine/wire';
import { type DcomObject, implement, type OrpcCall } from 'node-dcom-lite';
import { infinite, wbem } from '../protocol/constants.ts';
import { hresultOf } from '../protocol/errors.ts';
import { enumClassObject, fetchSmartEnum, smartEnum } from '../protocol/interfaces.ts';
import { marshalObject } from '../protocol/marshal.ts';
import { writeSmartArray } from '../protocol/smart-array.ts';
import type { WmioObject } from '../wmio/types.ts';
import { Cursor, type Source, type Taken } from './cursor.ts';
import type { WmiEnvironment } from './types.ts';

export interface EnumeratorOptions {
  readonly source: Source<WmioObject>;
  readonly environment: WmiEnvironment;
  /** Neither Reset nor Clone: nothing need be kept. */
  readonly forwardOnly: boolean;
  /** Items that were taken before, of a clone. */
  readonly skip?: number | undefined;
  /** For NextAsync; absent where sinks cannot be reached. */
  readonly deliver?:
    | ((sink: Uint8Array | null, call: OrpcCall, work: Source<WmioObject>) => Promise<number>)
    | undefined;
}

/**
 * An enumeration as IEnumWbemClassObject and IWbemFetchSmartEnum ([MS-WMI] 3.1.4.4, 3.1.4.6). Results are read as they are asked
 * for and not kept. UNSPECIFIED: Reset and Clone ask the source again, so that they show what is there then.
 */
export class Enumerator {
  readonly #options: EnumeratorOptions;
  #cursor: Cursor<WmioObject>;
  #position = 0;

  constructor(options: EnumeratorOptions) {
    this.#options = options;
    this.#cursor = new Cursor(options.source);
  }

  /** Waits for the first result: without WBEM_FLAG_RETURN_IMMEDIATELY failures are told at once. */
  start(signal: AbortSignal): Promise<void> {
    return this.#cursor.peek(signal);
  }

  /** The object to export; it ends with its last reference. */
  toObject(): DcomObject {
    return {
      interfaces: [
        implement(enumClassObject, {
          Reset: () => status(() => this.#reset()),
          Next: async ({ timeout, count }, call) => {
            const { objects, hresult } = await this.#next(timeout, count, call.signal);
            const pointers = objects.map(marshalObject);
            return {
              objects: { items: pointers, maximum: Math.max(count, pointers.length) },
              returned: pointers.length,
              hresult,
            };
          },
          NextAsync: async ({ count, sink }, call) => {
            const { deliver } = this.#options;
            if (deliver === undefined) return { hresult: wbem.notSupported };
            return {
              hresult: await deliver(
                sink,
                call,
                async function* (this: Enumerator, signal: AbortSignal) {
                  const { items } = await this.#cursor.take(count, signal);
                  this.#position += items.length;
                  yield* items;
                }.bind(this),
              ),
            };
          },
          Clone: (_, call) => {
            if (this.#options.forwardOnly) return { enum: null, hresult: wbem.invalidOperation };
            const clone = new Enumerator({ ...this.#options, skip: this.#position });
            return { enum: call.marshal(clone.toObject(), enumClassObject.iid), hresult: 0 };
          },
          Skip: async ({ timeout, count }, call) => {
            const { hresult } = await this.#next(timeout, count, call.signal);
            return { hresult };
          },
        }),
        implement(fetchSmartEnum, {
          GetSmartEnum: (_, call) => ({ enum: call.marshal(this.#smart(), smartEnum.iid), hresult: 0 }),
        }),
      ],
      released: () => this.#cursor.close(),
    };
  }

  /** IWbemWCOSmartEnum over the same cursor, [MS-WMI] 3.1.4.7. */
  #smart(): DcomObject {
    return {
      interfaces: [
        implement(smartEnum, {
          Next: async ({ timeout, count }, call) => {
            const { objects, hresult } = await this.#next(timeout, count, call.signal);
            if (objects.length === 0) return { returned: 0, bufferSize: 0, buffer: null, hresult };
            const { randomBytes } = this.#options.environment;
            const buffer = writeSmartArray(objects, () => guidOf(randomBytes(16)));
            return { returned: objects.length, bufferSize: buffer.length, buffer, hresult };
          },
        }),
      ],
    };
  }

  #reset(): void {
    if (this.#options.forwardOnly)
      throw new CarmineError('cim/not-supported', {
        context: { operation: 'Reset', className: 'a forward-only enumeration' },
        hresult: wbem.invalidOperation,
      });
    this.#cursor.close();
    this.#cursor = new Cursor(this.#options.source);
    this.#position = 0;
  }

  async #next(
    timeout: number,
    count: number,
    outer: AbortSignal,
  ): Promise<{ readonly objects: readonly WmioObject[]; readonly hresult: number }> {
    if (count > maxCount) return { objects: [], hresult: wbem.invalidParameter };
    const controller = new AbortController();
    const abort = () => controller.abort();
    const cancel = timeout === infinite ? undefined : this.#options.environment.after(timeout, abort);
    outer.addEventListener('abort', abort, { once: true });
    try {
      await this.#skipClone(controller.signal);
      const taken = await this.#cursor.take(count, controller.signal, maxReply, weigh);
      this.#position += taken.items.length;
      return { objects: taken.items, hresult: statusOf(taken) };
    } catch (error) {
      return { objects: [], hresult: hresultOf(error) };
    } finally {
      cancel?.();
      outer.removeEventListener('abort', abort);
    }
  }

  async #skipClone(signal: AbortSignal): Promise<void> {
    const { skip = 0 } = this.#options;
    while (this.#position < skip) {
      const { items, state } = await this.#cursor.take(Math.min(1000, skip - this.#position), signal);
      this.#position += items.length;
      if (state !== 'full') return;
    }
  }
}

function statusOf({ state }: Taken<WmioObject>): number {
  switch (state) {
    case 'full':
      return wbem.ok;
    case 'end':
      return wbem.false;
    case 'wait':
      return wbem.timedOut;
  }
}

async function status(work: () => void | Promise<void>): Promise<{ readonly hresult: number }> {
  try {
    await work();
    return { hresult: 0 };
  } catch (error) {
    return { hresult: hresultOf(error) };
  }
}

/** About what an object adds to a reply. */
function weigh(object: WmioObject): number {
  if (object.kind === 'class') return 20_000;
  let octets = 500;
  for (const value of object.body.values.values()) {
    if (typeof value === 'string') octets += 2 * value.length;
    else if (Array.isArray(value)) octets += 400 * value.length;
  }
  return octets;
}

/** Of one reply: whoever asked for more gets the rest with his next call. */
const maxReply = 1_000_000;
const maxCount = 0x1_0000;
