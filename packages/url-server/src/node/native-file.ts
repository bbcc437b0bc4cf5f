import type { Socket } from 'node:net';
import { createPeerQueue, type PeerQueue } from './peer-queue.ts';

/** System calls on files and sockets that Node has no function for. Numbers of bytes; 0 where there is nothing or no room. */
export interface NativeFile extends PeerQueue {
  /** sendfile(2) into a socket that does not block. 0 too for errors, which an ordinary write then meets. */
  send(socket: number, file: number, position: number, length: number): number;
  /**
   * Reads as far as the bytes are in memory; waits for no disk. preadv2(2) with RWF_NOWAIT. Where some are absent that orders them from the disk, and a
   * busy disk takes orders slowly: so nothing is read where cachestat(2) tells that the first or the last one is (all: a look at each page costs too much).
   */
  readResident(file: number, into: Buffer, length: number, position: number): number;
  /** How much from `position` on is in memory, as a look every 256 KiB shows. */
  residentBytes(file: number, position: number, length: number): number;
  /** All of it is in memory, and none of it is just being read, as a look every 256 KiB shows: who sends it hardly waits for a disk. */
  isInMemory(file: number, position: number, length: number): boolean;
  /** The system takes no more while so many bytes wait to be sent: setsockopt(2) with TCP_NOTSENT_LOWAT. Undefined: as much as it likes. */
  limitUnsent(socket: number, bytes: number | undefined): void;
}

/** Linux with node:ffi (in Node from 26 on, without a flag); undefined elsewhere. */
export const nativeFile: NativeFile | undefined = load();

/** Bytes on their way to the peer: queued here, and where the kernel tells, sent and not acknowledged. */
export function queuedBytes(socket: Socket, native: NativeFile | undefined): number {
  const handle = (socket as unknown as { _handle?: Handle | null })._handle;
  const queued = typeof handle?.writeQueueSize === 'number' ? handle.writeQueueSize : socket.writableLength;
  // Behind TLS stands the plain socket.
  const fd = [handle?.fd, handle?._parent?.fd].find((each) => typeof each === 'number' && each >= 0);
  return queued + (socket.destroyed || typeof fd !== 'number' ? 0 : (native?.unacknowledged(fd) ?? 0));
}

interface Handle {
  readonly fd?: unknown;
  readonly writeQueueSize?: unknown;
  readonly _parent?: { readonly fd?: unknown } | undefined;
}

function load(): NativeFile | undefined {
  if (process.platform !== 'linux') return undefined;
  const ffi = process.getBuiltinModule('node:ffi');
  if (ffi === undefined) return undefined;
  try {
    const { sendfile, preadv2, setsockopt, syscall } = ffi.dlopen(null, {
      sendfile: { return: 'i64', arguments: ['i32', 'i32', 'buffer', 'u64'] },
      preadv2: { return: 'i64', arguments: ['i32', 'buffer', 'i32', 'i64', 'i32'] },
      setsockopt: { return: 'i32', arguments: ['i32', 'i32', 'i32', 'buffer', 'u32'] },
      // Only for cachestat(2), which C libraries do not know.
      syscall: { return: 'i32', arguments: ['i64', 'i32', 'buffer', 'buffer', 'u32'] },
    }).functions;
    // One call at a time: these are the calls' arguments in memory.
    const [offset, vector, answer] = [8, 16, 8].map((size) => Buffer.alloc(size)) as [Buffer, Buffer, Buffer];
    // Numbers cost less than bigints, so in halves of 64 bits, the lower one first; on s390x, where it is the other way round, nothing ever seems to be in memory.
    const [place, cached] = [new Uint32Array(4), new Uint32Array(10)];
    /** How many pages are; undefined: this kernel does not tell, or not us: it tells who may write to the file, or owns it. */
    const cachedPages = (file: number, position: number, length: number): number | undefined => {
      place[0] = position % 2 ** 32;
      place[1] = position / 2 ** 32;
      place[2] = length;
      return syscall(cacheStat, file, place, cached, 0) === 0 ? cached[0] : undefined;
    };
    const isCached = (file: number, position: number): boolean | undefined => {
      const pages = cachedPages(file, position, 1);
      return pages === undefined ? undefined : pages !== 0;
    };
    const readAt = (file: number, into: Buffer, length: number, position: number): number => {
      vector.writeBigUInt64LE(ffi.getRawPointer(into), 0);
      vector.writeBigUInt64LE(BigInt(length), 8);
      return Math.max(0, Number(preadv2(file, vector, 1, BigInt(position), rwfNoWait)));
    };
    // The vector for one octet, and behind it the octet: as long as there is one, there is the other. (So large that it never lies where the collector moves things.)
    const probe = Buffer.alloc(256);
    probe.writeBigUInt64LE(ffi.getRawPointer(probe) + 16n, 0);
    probe.writeBigUInt64LE(1n, 8);
    const isReadable = (file: number, position: number): boolean =>
      preadv2(file, probe, 1, BigInt(position), rwfNoWait) > 0n;
    const isResident = (file: number, position: number): boolean =>
      isCached(file, position) ?? isReadable(file, position);
    return {
      ...createPeerQueue(ffi),
      send(socket, file, position, length) {
        offset.writeBigInt64LE(BigInt(position));
        return Math.max(0, Number(sendfile(socket, file, offset, BigInt(length))));
      },
      readResident(file, into, length, position) {
        if (length > into.length) throw new RangeError('the buffer is too short');
        if (length === 0 || isCached(file, position) === false) return 0;
        if (length > pageSize && isCached(file, position + length - 1) === false) return 0;
        return readAt(file, into, length, position);
      },
      residentBytes(file, position, length) {
        for (let at = 0; at < length; at += probeDistance) if (!isResident(file, position + at)) return at;
        return isResident(file, position + length - 1) ? length : length - 1;
      },
      isInMemory(file, position, length) {
        const pages = Math.floor((position + length - 1) / pageSize) - Math.floor(position / pageSize) + 1;
        if ((cachedPages(file, position, length) ?? pages) < pages) return false;
        for (let at = 0; at < length; at += probeDistance) if (!isReadable(file, position + at)) return false;
        return isReadable(file, position + length - 1);
      },
      limitUnsent(socket, bytes) {
        answer.writeUInt32LE(bytes ?? 0xffff_ffff);
        // A system that does not know it goes on as before.
        setsockopt(socket, ipProtoTcp, tcpNotSentLowat, answer, 4);
      },
    };
  } catch {
    // A C library without one of them, or a Node that has been told not to.
    return undefined;
  }
}

/** <linux/fs.h> */
const rwfNoWait = 8;
/** <netinet/tcp.h> */
const [ipProtoTcp, tcpNotSentLowat] = [6, 25];
/** <asm-generic/unistd.h>, Linux 6.5: the same number on every architecture. */
const cacheStat = 451n;
/** Of nearly all machines; where it is larger, one look more. */
const pageSize = 4096;
/** A probe costs 1 µs. A page missed between two costs one wait for the disk, which also reads ahead. */
const probeDistance = 256 * 1024;
