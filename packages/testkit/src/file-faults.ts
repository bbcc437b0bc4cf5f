/** What goes wrong: an errno, or a write that writes less than it was given. */
export type FileFault = 'EIO' | 'ENOSPC' | 'EMFILE' | 'EACCES' | 'EINTR' | 'short';

/** One call of the operating system's. */
export interface FileCall {
  /** Counted from 1. */
  readonly number: number;
  readonly name: string;
}

/**
 * Counts the calls of a `node:fs/promises` that was wrapped, those on its file handles included, and makes some of them fail:
 * `vi.mock('node:fs/promises', async (actual) => faults.wrap(await actual()))`.
 *
 * A call that fails has done nothing, but for `close`, which closes all the same.
 */
export class FileFaults {
  /** Names of all calls since `arm`. */
  log: string[] = [];
  /** Handles that were opened and not closed. */
  open = 0;
  /** Faults that happened since `arm`. */
  happened = 0;
  #fault: (call: FileCall) => FileFault | undefined = () => undefined;
  readonly #handles = new Set<object>();

  /** Begins to count anew; asks `fault` about each call. */
  arm(fault: (call: FileCall) => FileFault | undefined): void {
    this.log = [];
    this.happened = 0;
    this.#fault = fault;
  }

  disarm(): void {
    this.#fault = () => undefined;
  }

  wrap<T extends object>(module: T): T {
    const wrapped = { ...module } as Record<string, unknown>;
    for (const name of ['lstat', 'open', 'readlink', 'realpath', 'rename', 'unlink'] as const) {
      const call = (module as unknown as Record<string, Call>)[name];
      if (call === undefined) continue;
      wrapped[name] = async (...args: unknown[]) => {
        const fault = this.#next(name);
        // Only writes can be short.
        if (fault !== undefined && fault !== 'short') throw errnoError(fault, name);
        const result = await call(...args);
        return name === 'open' ? this.#handle(result as object) : result;
      };
    }
    return wrapped as T;
  }

  /** A write that goes another way than by a handle; it counts as `writev`. `go` does it, or the first part of it. */
  write<T>(chunks: readonly Uint8Array[], go: (chunks: readonly Uint8Array[]) => T): T | Promise<never> {
    const fault = this.#next('writev');
    if (fault === undefined) return go(chunks);
    if (fault === 'short') return go(shortened([chunks])[0] as Uint8Array[]);
    return Promise.reject(errnoError(fault, 'write'));
  }

  #handle(handle: object): object {
    this.open++;
    this.#handles.add(handle);
    const methods = new Map<string, Call>();
    for (const name of handleCalls) {
      const method = (handle as unknown as Record<string, Call>)[name];
      if (method !== undefined) methods.set(name, (...args) => this.#onHandle(handle, name, method, args));
    }
    return new Proxy(handle, {
      get: (target, property) => methods.get(String(property)) ?? Reflect.get(target, property, target),
    });
  }

  async #onHandle(handle: object, name: string, method: Call, args: unknown[]): Promise<unknown> {
    const fault = this.#next(name);
    if (name === 'close') {
      // A second time is harmless, as it is with Node's own.
      if (this.#handles.delete(handle)) this.open--;
      await method.call(handle, ...args);
      if (fault !== undefined && fault !== 'short') throw errnoError(fault, name);
      return undefined;
    }
    if (fault === 'short') return method.call(handle, ...(name === 'writev' ? shortened(args) : args));
    if (fault !== undefined) throw errnoError(fault, name);
    return method.call(handle, ...args);
  }

  #next(name: string): FileFault | undefined {
    this.log.push(name);
    const fault = this.#fault({ number: this.log.length, name });
    if (fault !== undefined && (fault !== 'short' || name === 'writev')) this.happened++;
    return fault;
  }
}

type Call = (this: unknown, ...args: unknown[]) => Promise<unknown>;

const handleCalls = ['chmod', 'close', 'datasync', 'read', 'stat', 'sync', 'truncate', 'utimes', 'writev'] as const;

/** `writev(buffers, position)` with the first half of the bytes, at least one. */
function shortened([buffers, position]: unknown[]): unknown[] {
  const parts = buffers as Uint8Array[];
  let left = Math.max(1, parts.reduce((sum, part) => sum + part.length, 0) >> 1);
  const kept: Uint8Array[] = [];
  for (const part of parts) {
    if (left === 0) break;
    kept.push(part.subarray(0, left));
    left -= kept.at(-1)?.length ?? 0;
  }
  return [kept, position];
}

function errnoError(code: string, call: string): Error {
  return Object.assign(new Error(`${code}: injected, ${call}`), { code, syscall: call });
}
