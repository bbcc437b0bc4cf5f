import { crc32 } from './crc32.ts';
import { type Extent, ExtentSet } from './extents.ts';
import type { Source } from './source.ts';

/**
 * The journal of one temporary file: which version of which URL it holds, and which of its bytes are on the disk.
 * Append-only; a record counts only when it is complete and its CRC is right, so a torn tail is merely forgotten.
 *
 * ```
 * file   = magic "CARMJNL1" *record
 * record = length u32 | crc32 u32 of payload | payload          (all integers little-endian)
 * payload:
 *   1 header   version u8 | length u64 | url text | etag text | lastModified text | digest text
 *   2 extent   start u64 | end u64
 *   3 digest   text          the server told the SHA-256 later
 *   4 verified text          the file on disk has this SHA-256
 *   5 finishing              the file is about to get its final name
 *   6 boot     text          nothing was synced: all of it, and of the file, is only as good as this start of the system
 * text   = length u16 | UTF-8
 * ```
 *
 * A later header voids every record before it: the download started again.
 */
export interface JournalState {
  readonly url: string;
  readonly source: Source;
  readonly done: ExtentSet;
  /** SHA-256 that was computed over the complete file. */
  readonly verified?: string | undefined;
  /** The rename was about to happen: when the temporary file is gone, it did. */
  readonly finishing?: boolean | undefined;
  /** What it says was never synced: it holds as long as the system has not been started again since this one. */
  readonly boot?: string | undefined;
}

export interface DecodedJournal {
  /** Undefined when not even one header is whole. */
  readonly state: JournalState | undefined;
  /** Bytes that are good; what follows must be cut off before anything is appended. */
  readonly validLength: number;
  /** Records that were read, dead ones included: when to compact. */
  readonly records: number;
}

export const journalMagic: Uint8Array = new TextEncoder().encode('CARMJNL1');

/** `boot`: see `JournalState`. */
export function encodeHeader(url: string, source: Source, boot?: string): Uint8Array {
  const texts = [url, source.etag ?? '', source.lastModified ?? '', source.digest ?? ''].map((text) =>
    new TextEncoder().encode(text),
  );
  const payload = new Uint8Array(10 + texts.reduce((sum, text) => sum + 2 + text.length, 0));
  const view = new DataView(payload.buffer);
  payload[0] = recordTypes.header;
  payload[1] = 1;
  view.setBigUint64(2, BigInt(source.length), true);
  let position = 10;
  for (const text of texts) {
    view.setUint16(position, text.length, true);
    payload.set(text, position + 2);
    position += 2 + text.length;
  }
  // Before anything that it is about: what is torn off behind it is merely forgotten.
  return boot === undefined ? frame(payload) : concat([frame(payload), encodeText('boot', boot)]);
}

export function encodeExtents(extents: readonly Extent[]): Uint8Array {
  return concat(
    extents.map(({ start, end }) => {
      const payload = new Uint8Array(17);
      const view = new DataView(payload.buffer);
      payload[0] = recordTypes.extent;
      view.setBigUint64(1, BigInt(start), true);
      view.setBigUint64(9, BigInt(end), true);
      return frame(payload);
    }),
  );
}

/** A digest in hexadecimal digits, or which start of the system it is. */
export function encodeText(kind: 'digest' | 'verified' | 'boot', value: string): Uint8Array {
  const text = new TextEncoder().encode(value);
  const payload = new Uint8Array(3 + text.length);
  payload[0] = recordTypes[kind];
  new DataView(payload.buffer).setUint16(1, text.length, true);
  payload.set(text, 3);
  return frame(payload);
}

export function encodeFinishing(): Uint8Array {
  return frame(Uint8Array.of(recordTypes.finishing));
}

/** The shortest journal that says the same: for compaction and for a fresh file. */
export function encodeJournal(state: JournalState): Uint8Array {
  const parts = [journalMagic, encodeHeader(state.url, state.source, state.boot), encodeExtents(state.done.extents)];
  if (state.verified !== undefined) parts.push(encodeText('verified', state.verified));
  if (state.finishing === true) parts.push(encodeFinishing());
  return concat(parts);
}

/** Reads as much as is whole. Never throws: damage means that bytes are fetched again, not that a job is lost. */
export function decodeJournal(bytes: Uint8Array): DecodedJournal {
  if (!startsWithMagic(bytes)) return { state: undefined, validLength: 0, records: 0 };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let state: JournalState | undefined;
  let position = journalMagic.length;
  let records = 0;
  while (position + frameLength <= bytes.length) {
    const length = view.getUint32(position, true);
    const end = position + frameLength + length;
    if (length === 0 || length > maximumPayload || end > bytes.length) break;
    const payload = bytes.subarray(position + frameLength, end);
    if (crc32(payload) !== view.getUint32(position + 4, true)) break;
    const next = applyRecord(state, payload);
    if (next === undefined) break;
    state = next;
    position = end;
    records++;
  }
  return { state, validLength: position, records };
}

/** Undefined when the record makes no sense here. */
function applyRecord(state: JournalState | undefined, payload: Uint8Array): JournalState | undefined {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  if (payload[0] === recordTypes.header) return decodeHeader(payload, view);
  if (state === undefined) return undefined;
  switch (payload[0]) {
    case recordTypes.extent: {
      if (payload.length !== 17) return undefined;
      const start = Number(view.getBigUint64(1, true));
      const end = Number(view.getBigUint64(9, true));
      if (start >= end || end > state.source.length) return undefined;
      state.done.add({ start, end });
      return state;
    }
    case recordTypes.digest: {
      const sha256 = readText(payload, view, 1)?.text;
      return sha256 === undefined ? undefined : { ...state, source: { ...state.source, digest: sha256 } };
    }
    case recordTypes.verified: {
      const verified = readText(payload, view, 1)?.text;
      return verified === undefined ? undefined : { ...state, verified };
    }
    case recordTypes.boot: {
      const boot = readText(payload, view, 1)?.text;
      return boot === undefined ? undefined : { ...state, boot };
    }
    case recordTypes.finishing:
      return payload.length === 1 ? { ...state, finishing: true } : undefined;
    default:
      return undefined;
  }
}

function decodeHeader(payload: Uint8Array, view: DataView): JournalState | undefined {
  if (payload.length < 10 || payload[1] !== 1) return undefined;
  const length = Number(view.getBigUint64(2, true));
  if (!Number.isSafeInteger(length)) return undefined;
  const texts: string[] = [];
  let position = 10;
  for (let i = 0; i < 4; i++) {
    const read = readText(payload, view, position);
    if (read === undefined) return undefined;
    texts.push(read.text);
    position = read.end;
  }
  if (position !== payload.length) return undefined;
  const [url = '', etag, lastModified, digest] = texts;
  const given = (text: string | undefined) => (text === '' ? undefined : text);
  return {
    url,
    source: { length, etag: given(etag), lastModified: given(lastModified), digest: given(digest) },
    done: new ExtentSet(),
  };
}

function readText(payload: Uint8Array, view: DataView, at: number): { text: string; end: number } | undefined {
  if (at + 2 > payload.length) return undefined;
  const end = at + 2 + view.getUint16(at, true);
  if (end > payload.length) return undefined;
  return { text: new TextDecoder().decode(payload.subarray(at + 2, end)), end };
}

function frame(payload: Uint8Array): Uint8Array {
  const framed = new Uint8Array(frameLength + payload.length);
  const view = new DataView(framed.buffer);
  view.setUint32(0, payload.length, true);
  view.setUint32(4, crc32(payload), true);
  framed.set(payload, frameLength);
  return framed;
}

function startsWithMagic(bytes: Uint8Array): boolean {
  return bytes.length >= journalMagic.length && journalMagic.every((byte, index) => bytes[index] === byte);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let position = 0;
  for (const part of parts) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}

const recordTypes = { header: 1, extent: 2, digest: 3, verified: 4, finishing: 5, boot: 6 } as const;
const frameLength = 8;
/** URL (2,200 characters) and header fields (16 KiB together in undici) fit; anything longer is damage. */
const maximumPayload = 65_536;
