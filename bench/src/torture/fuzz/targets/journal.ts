import { crc32, decodeJournal, type JournalState } from '@carmine/transfer';
import { concatBytes } from '@carmine/wire';
import { BrokenPromise, bytesOf, type FuzzCheck, type FuzzTarget } from '../target.ts';

/** Journals of transfers. Damage is forgotten, never an error; what is read lies within the file and stays the same. */
export function journalTarget(): FuzzTarget {
  const header = record(
    [1, 1],
    u64(1_000_000),
    text('https://host/file'),
    text('"etag"'),
    text(''),
    text('ab'.repeat(32)),
  );
  const extents = [0, 400_000, 900_000].map((start) => record([2], u64(start), u64(start + 65_536)));
  const ends = [record([3], text('cd'.repeat(32))), record([4], text('ef'.repeat(32))), record([5])];
  const journal = concatBytes(bytesOf('CARMJNL1'), header, ...extents, ...ends, header, ...extents);
  return {
    seeds: [
      { name: 'journal', input: journal, feed },
      // Damage that has a right CRC: the input is the content of one record.
      { name: 'journal header', input: header.subarray(8), feed: (input) => feed(inJournal([], input)) },
      { name: 'journal record', input: extents[0]!.subarray(8), feed: (input) => feed(inJournal([header], input)) },
    ],
    dictionary: ['CARMJNL1', '\x01\x01', '\x11\0\0\0'],
    maximum: 65_536,
    documented: () => false,
  };
}

function feed(input: Uint8Array): FuzzCheck {
  const { state, validLength } = decodeJournal(input);
  return () => check(input, state, validLength);
}

function check(input: Uint8Array, state: JournalState | undefined, validLength: number): void {
  if (validLength > input.length) throw new BrokenPromise('more is valid than is there');
  let end = -1;
  for (const extent of state?.done.extents ?? []) {
    if (extent.start <= end || extent.end <= extent.start) throw new BrokenPromise('extents overlap');
    end = extent.end;
  }
  if (end > (state?.source.length ?? 0)) throw new BrokenPromise('an extent ends behind the file');
  const again = decodeJournal(input.subarray(0, validLength));
  if (again.validLength !== validLength || summary(again.state) !== summary(state)) {
    throw new BrokenPromise('the valid part is read as something else');
  }
}

function summary(state: JournalState | undefined): string {
  return JSON.stringify([state?.url, state?.source, state?.done.extents, state?.verified, state?.finishing]);
}

function inJournal(before: readonly Uint8Array[], payload: Uint8Array): Uint8Array {
  return concatBytes(bytesOf('CARMJNL1'), ...before, record([], payload.subarray(0, 65_536)));
}

function record(start: readonly number[], ...parts: readonly Uint8Array[]): Uint8Array {
  const payload = concatBytes(Uint8Array.from(start), ...parts);
  return concatBytes(u32(payload.length), u32(crc32(payload)), payload);
}

function text(value: string): Uint8Array {
  const bytes = bytesOf(value);
  return concatBytes(Uint8Array.of(bytes.length & 0xff, bytes.length >> 8), bytes);
}

function u32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, true);
  return out;
}

function u64(value: number): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(value), true);
  return out;
}
