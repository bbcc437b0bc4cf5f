import { fstatSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { descriptorOf, type Exchange } from '@carmine/http1/node';
import type { ByteRange } from '../range.ts';
import { type FileVersion, sameVersion } from '../validators.ts';
import { BufferPool } from './buffer-pool.ts';
import type { NativeFile } from './native-file.ts';
import { asFarIn, pageAligned, pageSize } from './page-aligned.ts';
import type { PeerReads } from './peer-reads.ts';
import { isKnown, isPromptReader, largestWrite, nextPace, paceOf, waitingWrite } from './reader-pace.ts';
import { smallSize } from './small-answers.ts';
import { toVersion } from './source-files.ts';

export interface SendOptions {
  readonly file: FileHandle;
  readonly version: FileVersion;
  readonly range: ByteRange;
  /** Begun; Content-Length says what comes. */
  readonly out: Exchange;
  /** Bytes per second that the group may send; infinite without a limit. */
  readonly rate: () => number;
  /** Waits until so many bytes may be sent. */
  readonly pace: (bytes: number) => Promise<void>;
  /** Told of every byte that is handed to the connection. */
  readonly sent: (bytes: number) => void;
  readonly stopped: () => boolean;
  /** Nothing follows this range: its last bytes may end the answer. */
  readonly last: boolean;
  /** Undefined: reads and writes only. */
  readonly native: NativeFile | undefined;
  /** Of the same; undefined where `native` is. */
  readonly reads: PeerReads | undefined;
  /** What came before this range in the same answer went by sendfile. */
  readonly pagesQueued: boolean;
}

/**
 * Sends a range of a file. Returns false, with bytes missing, when the file changed, when it got shorter, or when it was
 * told to stop: the connection must then be cut, never padded.
 *
 * The ways: what is in memory is read at once, the rest in the thread pool, so that no disk holds up the event loop.
 * Much of it, to a plain socket, without a limit of the group, goes by sendfile(2) behind the back of node:http, which
 * counts no bytes of a body with Content-Length. That is done only right after an ordinary write was over, when nothing is
 * queued; and an ordinary write is what waits for room when the socket has none. Less, to somebody who takes what he is given, is read and
 * written at once, many times in one turn, and the rest in the ordinary way when there is no more room.
 *
 * What sendfile has queued are the file's own pages: a change of the file changes them until the peer has them. So before
 * the last bytes, which are read and written as ever, everything before them is acknowledged and the version looked at. A peer of this system
 * gets the pages themselves: it has them when it has read them.
 */
export async function sendFile(options: SendOptions): Promise<boolean> {
  const { file, version, range, out, native, reads, stopped } = options;
  const { fd } = file;
  const size = range.last - range.first + 1;
  const rawUntil = size < rawMinimum || !reads?.canFollow(out.socket) ? range.first : range.last + 1 - finalBytes;
  const changed = () => stopped() || !sameVersion(toVersion(fstatSync(fd, { bigint: true })), version);
  const small = size <= smallSize;
  let position = range.first;
  /** Of ordinary writes. */
  let chunkSize = paceOf(out.socket);
  if (!small && !isKnown(out.socket)) limitUnsent(waitingWrite);
  /** The next ordinary write only waits for room: more is not read for it. */
  let waiting = position < rawUntil && descriptorOf(out.socket) !== undefined;
  /** Up to where it is known to be in memory, and how far of that sendfile may go. */
  let [seenUntil, rawTo] = [position, position];
  /** Up to here no more probes. */
  let coldUntil = position;
  let coldStretch = firstColdStretch;
  let { pagesQueued } = options;
  while (position <= range.last) {
    const raw =
      native === undefined || position === range.first || position >= rawUntil ? 0 : rawLength(native, position);
    if (native !== undefined && raw > 0) {
      if (changed()) return false;
      // Zero where the socket has just gone: the ordinary write finds out.
      const socket = descriptorOf(out.socket);
      const sent = socket === undefined ? 0 : native.send(socket, fd, position, raw);
      pagesQueued = true;
      options.sent(sent);
      position += sent;
      // A full turn leaves the others theirs; less means that there is no more room.
      if (sent === raw) await turn();
      // Nothing twice in a row: here sendfile does not work, or not well.
      waiting = sent > 0;
      if (sent === raw) continue;
    }
    if (pagesQueued && position >= rawUntil) {
      if (!(await reads?.everythingRead(out.socket, stopped))) return false;
      pagesQueued = false;
    }
    if (native !== undefined && !waiting && isPrompt()) {
      const sent = writeAtOnce(native);
      if (sent === 'changed') return false;
      if (sent === 'all') {
        if (position > range.last) return true;
        await turn();
        continue;
      }
    }
    const end = position < rawUntil ? rawUntil : range.last + 1;
    const wanted = Math.min(waiting ? waitingWrite : chunkSize, options.rate(), end - position);
    await options.pace(wanted);
    const pool = wanted > waitingWrite ? largeBuffers : smallBuffers;
    const buffer = small ? Buffer.allocUnsafe(wanted) : pool.take();
    const bytes = await read(buffer, wanted);
    // Looked at after the read: what was read before the change, or half of it, does not go out.
    if (bytes === 0 || changed()) {
      if (!small) pool.giveBack(buffer);
      return false;
    }
    position += bytes;
    options.sent(bytes);
    const chunk = buffer.subarray(0, bytes);
    // A small buffer is used once: nobody waits until the last one is taken.
    if (small && options.last && position > range.last) {
      out.end(chunk);
      return true;
    }
    const began = performance.now();
    // A buffer of a write that fails may still be read by the kernel, or by TLS: it is not used again.
    if (!(await out.write(chunk))) return false;
    if (!small) pool.giveBack(buffer);
    const next = nextPace(out.socket, performance.now() - began);
    if (next !== chunkSize && !small) limitUnsent(next);
    chunkSize = next;
    waiting = false;
  }
  return true;

  /** Thousands of readers who take nothing would fill the system's memory for TCP, and then nobody would get anything. */
  function limitUnsent(chunk: number): void {
    const socket = descriptorOf(out.socket);
    if (native !== undefined && socket !== undefined)
      native.limitUnsent(socket, chunk === largestWrite ? undefined : chunk * 2);
  }

  /** A reader who takes all that he is given, and may have it. */
  function isPrompt(): boolean {
    return !small && position >= coldUntil && !Number.isFinite(options.rate()) && isPromptReader(out.socket);
  }

  /** Reads and writes without waiting, for one turn, as long as there is room in the socket, and the bytes are in memory. */
  function writeAtOnce(calls: NativeFile): 'all' | 'some' | 'changed' {
    const end = position < rawUntil ? rawUntil : range.last + 1;
    for (const until = Math.min(end, position + rawChunk); position < until; ) {
      const most = Math.min(mostPassing, until - position);
      const bytes = asFarIn(passing, position, most);
      const length = calls.readResident(fd, bytes, most, position);
      if (length === 0) return 'some';
      if (changed()) return 'changed';
      const sent = out.writeSome(bytes, length);
      options.sent(sent);
      position += sent;
      if (sent < length) {
        waiting = true;
        return 'some';
      }
    }
    return 'all';
  }

  function rawLength(calls: NativeFile, from: number): number {
    if (Number.isFinite(options.rate()) || out.socket.writableLength > 0) return 0;
    if (descriptorOf(out.socket) === undefined) return 0;
    if (from < coldUntil) return 0;
    if (rawTo - from < waitingWrite && rawTo < rawUntil) look(calls, from);
    return Math.max(0, Math.min(rawChunk, rawTo - from));
  }

  /** How far sendfile may go: what is in memory, and not where the system may just be reading ahead, for which sendfile would wait. */
  function look(calls: NativeFile, from: number) {
    const seen = Math.max(seenUntil, from);
    const asked = Math.min(from + rawChunk + mostReadAhead, rawUntil) - seen;
    if (asked > 0 && calls.residentBytes(fd, seen, asked) < asked) {
      beCold();
      seenUntil = from;
      return;
    }
    seenUntil = seen + Math.max(0, asked);
    const quiet = seenUntil === rawUntil && coldUntil === range.first;
    rawTo = Math.max(from, quiet ? seenUntil : seenUntil - mostReadAhead);
  }

  function beCold() {
    coldUntil = position + coldStretch;
    coldStretch *= 2;
  }

  async function read(buffer: Buffer, length: number): Promise<number> {
    // Asking for what is absent makes the system order it from the disk, and that may wait: seldom is often enough.
    if (native !== undefined && position >= coldUntil) {
      const resident = native.readResident(fd, buffer, length, position);
      if (resident === length || resident >= waitingWrite) return resident;
      beCold();
    }
    return (await file.read(buffer, 0, length, position)).bytesRead;
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

const largeBuffers = new BufferPool(largestWrite, 16);
/** Of bytes that are written, or read again later, before anything else happens. */
const mostPassing = 1024 * 1024;
const passing = pageAligned(mostPassing + pageSize);
/** Below, waiting for acknowledgements would cost more than sendfile gains. */
const rawMinimum = 8 * 1024 * 1024;
/** After a place that is not in memory, so much is read without looking; twice as much after the next. */
const firstColdStretch = 8 * 1024 * 1024;
/**
 * Pages count as being in memory as soon as the system has begun to read them. So far beyond what anybody reads it may be doing that: twice
 * `read_ahead_kb` of most disks, and of all here.
 */
const mostReadAhead = 16 * 1024 * 1024;
/** Asked of sendfile in one turn of the event loop. */
const rawChunk = 2 * 1024 * 1024;
const smallBuffers = new BufferPool(waitingWrite, 64);
/** The last bytes of an answer, which are never sent by sendfile. */
export const finalBytes = 64 * 1024;
