import { closeSync, read } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { blockBytes } from './direct-writes.ts';
import { loadFfi } from './ffi.ts';

/** Writes that the kernel does by itself while others go on: no thread of ours waits for each of them. */
export interface KernelRing {
  /**
   * Orders a write past the page cache; the memory is the kernel's until the promise is settled. Undefined: no order was taken, it is to be done otherwise. Resolves
   * with the bytes that were written, rejects with what the operating system says.
   */
  write(fd: number, chunks: readonly Uint8Array[], position: number): Promise<number> | undefined;
  /** To be called once by each who took it, when none of his writes is under way. */
  release(): void;
}

/**
 * io_uring(7), on Linux with node:ffi: one for all who have it at the same time (in a thread), closed when nobody has it. Undefined elsewhere, and where the
 * system lets nobody have it.
 */
export function takeRing(): KernelRing | undefined {
  system ??= { calls: loadCalls() };
  shared ??= system.calls && open(system.calls);
  if (shared !== undefined) users++;
  return shared;
}

let system: { readonly calls: SystemCalls | undefined } | undefined;
let shared: Ring | undefined;
let users = 0;

type SystemCalls = NonNullable<ReturnType<typeof loadCalls>>;

function loadCalls() {
  const ffi = loadFfi();
  if (ffi === undefined) return undefined;
  try {
    const { getpagesize, ...calls } = ffi.dlopen(null, {
      getpagesize: { return: 'i32', arguments: [] },
      syscall: { return: 'i64', arguments: ['i64', 'u64', 'u64', 'u64', 'u64', 'u64', 'u64'] },
      eventfd: { return: 'i32', arguments: ['u32', 'i32'] },
      mmap: { return: 'i64', arguments: ['u64', 'u64', 'i32', 'i32', 'i32', 'i64'] },
      munmap: { return: 'i32', arguments: ['u64', 'u64'] },
    }).functions;
    // Of larger pages more may lie together in memory than the queue of writes keeps apart.
    if (getpagesize() !== blockBytes) return undefined;
    const pointer = (bytes: Uint8Array) => ffi.getRawPointer(bytes);
    const view = (address: bigint, bytes: number) => ffi.toArrayBuffer(address, bytes, false);
    return { ...calls, pointer, view };
  } catch {
    return undefined;
  }
}

function open({ syscall, eventfd, mmap, munmap, pointer, view }: SystemCalls): Ring | undefined {
  const parameters = Buffer.alloc(120);
  const fd = Number(syscall(setupCall, BigInt(entries), pointer(parameters), 0n, 0n, 0n, 0n));
  if (fd < 0) return undefined;
  const undo = [() => closeSync(fd)];
  const close = () => {
    for (const each of undo.reverse()) each();
  };
  try {
    const map = (bytes: number, offset: bigint): ArrayBuffer => {
      const address = mmap(0n, BigInt(bytes), readWrite, sharedPopulated, fd, offset);
      if (address === -1n) throw new Error('the ring cannot be mapped');
      undo.push(() => munmap(BigInt.asUintN(64, address), BigInt(bytes)));
      return view(BigInt.asUintN(64, address), bytes);
    };
    const bell = eventfd(0, closeOnExec);
    if (bell < 0) throw new Error('there is no descriptor left');
    undo.push(() => closeSync(bell));
    // So large that it never lies where the collector moves things.
    const bellNumber = Buffer.alloc(256);
    bellNumber.writeInt32LE(bell);
    if (syscall(registerCall, BigInt(fd), registerEventfd, pointer(bellNumber), 1n, 0n, 0n) !== 0n)
      throw new Error('the ring rings no bell');
    const places = ringPlaces(parameters);
    const ring = new Uint32Array(map(places.bytes, ringOffset));
    const orders = Buffer.from(map(64 * entries, entriesOffset));
    const enter = () => syscall(enterCall, BigInt(fd), 1n, 0n, 0n, 0n, 0n) === 1n;
    return new Ring(places, ring, orders, bell, { pointer, enter, close });
  } catch {
    close();
    return undefined;
  }
}

/** Where things are in the memory that is shared with the kernel, in words of four bytes. */
interface RingPlaces {
  readonly bytes: number;
  readonly submitted: { readonly tail: number; readonly mask: number; readonly array: number };
  readonly completed: { readonly head: number; readonly tail: number; readonly mask: number; readonly events: number };
}

/** struct io_uring_params, <linux/io_uring.h>. */
function ringPlaces(parameters: Buffer): RingPlaces {
  const at = (offset: number) => parameters.readUInt32LE(offset);
  // IORING_FEAT_SINGLE_MMAP and IORING_FEAT_SUBMIT_STABLE: both rings lie together, and what an order refers to has been read when it is taken.
  if ((at(20) & 5) !== 5) throw new Error('an old kernel');
  const [submitted, completed] = [40, 80];
  const bytes = Math.max(at(submitted + 24) + 4 * at(0), at(completed + 20) + 16 * at(4));
  return {
    bytes: Math.ceil(bytes / 4096) * 4096,
    submitted: { tail: at(submitted + 4) / 4, mask: at(submitted + 8) / 4, array: at(submitted + 24) / 4 },
    completed: {
      head: at(completed) / 4,
      tail: at(completed + 4) / 4,
      mask: at(completed + 8) / 4,
      events: at(completed + 20) / 4,
    },
  };
}

interface Calls {
  pointer(bytes: Uint8Array): bigint;
  /** Hands over one order; false: it was not taken. */
  enter(): boolean;
  /** Its memory is gone then. */
  close(): void;
}

interface Ordered extends PromiseWithResolvers<number> {
  /** What is written must stay where it is: it is referred to as long as that takes. */
  readonly chunks: readonly Uint8Array[];
}

class Ring implements KernelRing {
  readonly #places: RingPlaces;
  readonly #ring: Uint32Array;
  readonly #orders: Buffer;
  readonly #bell: number;
  readonly #calls: Calls;
  readonly #ordered = new Map<number, Ordered>();
  /** struct iovec[], and behind them what the bell says: so large that it is never moved. */
  readonly #memory = Buffer.allocUnsafeSlow(16 * mostChunks + 8);
  readonly #vector: bigint;
  #last = 0;
  #listening = false;

  constructor(places: RingPlaces, ring: Uint32Array, orders: Buffer, bell: number, calls: Calls) {
    this.#places = places;
    this.#ring = ring;
    this.#orders = orders;
    this.#bell = bell;
    this.#calls = calls;
    this.#vector = calls.pointer(this.#memory);
  }

  write(fd: number, chunks: readonly Uint8Array[], position: number): Promise<number> | undefined {
    if (this.#ordered.size >= entries || chunks.length > mostChunks) return undefined;
    const { tail, mask, array } = this.#places.submitted;
    const at = Atomics.load(this.#ring, tail);
    const index = at & (this.#ring[mask] as number);
    const id = ++this.#last;
    this.#encode(64 * index, id, fd, chunks, position);
    this.#ring[array + index] = index;
    Atomics.store(this.#ring, tail, at + 1);
    if (!this.#calls.enter()) {
      Atomics.store(this.#ring, tail, at);
      return undefined;
    }
    const ordered: Ordered = { ...Promise.withResolvers<number>(), chunks };
    this.#ordered.set(id, ordered);
    this.#listen();
    return ordered.promise;
  }

  release(): void {
    users--;
    this.#closeIfUnused();
  }

  /** What is still under way comes to its end first. */
  #closeIfUnused(): void {
    if (users > 0 || this.#ordered.size > 0 || shared !== this) return;
    shared = undefined;
    this.#calls.close();
  }

  /** struct io_uring_sqe. */
  #encode(at: number, id: number, fd: number, chunks: readonly Uint8Array[], position: number): void {
    for (const [index, chunk] of chunks.entries()) {
      this.#memory.writeBigUInt64LE(this.#calls.pointer(chunk), 16 * index);
      this.#memory.writeBigUInt64LE(BigInt(chunk.length), 16 * index + 8);
    }
    const entry = this.#orders.subarray(at, at + 64).fill(0);
    entry[0] = writeVector;
    entry.writeInt32LE(fd, 4);
    entry.writeBigUInt64LE(BigInt(position), 8);
    entry.writeBigUInt64LE(this.#vector, 16);
    entry.writeUInt32LE(chunks.length, 24);
    entry.writeBigUInt64LE(BigInt(id), 32);
  }

  /** One of Node's threads waits for all of them, as long as there are any. */
  #listen(): void {
    if (this.#listening || this.#ordered.size === 0) return;
    this.#listening = true;
    read(this.#bell, this.#memory, 16 * mostChunks, 8, null, () => {
      this.#listening = false;
      this.#settle();
      this.#listen();
      this.#closeIfUnused();
    });
  }

  #settle(): void {
    const { head, tail, mask, events } = this.#places.completed;
    const end = Atomics.load(this.#ring, tail);
    let at = Atomics.load(this.#ring, head);
    for (; at !== end; at = (at + 1) >>> 0) {
      const event = events + 4 * (at & (this.#ring[mask] as number));
      const id = this.#ring[event] as number;
      const result = (this.#ring[event + 2] as number) | 0;
      const ordered = this.#ordered.get(id);
      this.#ordered.delete(id);
      if (result >= 0) ordered?.resolve(result);
      else ordered?.reject(errorOf(result));
    }
    Atomics.store(this.#ring, head, at);
  }
}

function errorOf(result: number): Error {
  const code = getSystemErrorName(result);
  return Object.assign(new Error(`${code}: write`), { code, errno: result, syscall: 'write' });
}

/** <asm-generic/unistd.h>: the same on every architecture. */
const [setupCall, enterCall, registerCall] = [425n, 426n, 427n];
/** IORING_REGISTER_EVENTFD; IORING_OFF_SQ_RING, IORING_OFF_SQES; IORING_OP_WRITEV. */
const registerEventfd = 4n;
const [ringOffset, entriesOffset] = [0n, 0x1000_0000n];
const writeVector = 2;
/** EFD_CLOEXEC; PROT_READ and PROT_WRITE; MAP_SHARED and MAP_POPULATE. */
const [closeOnExec, readWrite, sharedPopulated] = [0o2000000, 3, 0x8001];
const entries = 32;
const mostChunks = 256;
