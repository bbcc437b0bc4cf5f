import { ByteReader, ByteWriter } from '@carmine/wire';

/** AvId of AV_PAIR, [MS-NLMP] 2.2.2.1. */
export const avIds = {
  endOfList: 0,
  netbiosComputerName: 1,
  netbiosDomainName: 2,
  dnsComputerName: 3,
  dnsDomainName: 4,
  dnsTreeName: 5,
  flags: 6,
  timestamp: 7,
  singleHost: 8,
  targetName: 9,
  channelBindings: 10,
} as const;

/** Value of MsvAvFlags: a MIC is in the AUTHENTICATE message. */
export const avFlagMicPresent = 0x0000_0002;

/** One AV_PAIR other than the end of the list; unknown identifiers are kept. */
export interface AvPair {
  readonly id: number;
  readonly value: Uint8Array;
}

/** The pairs with MsvAvEOL behind them. */
export function encodeAvPairs(pairs: readonly AvPair[]): Uint8Array {
  const writer = new ByteWriter();
  for (const { id, value } of pairs) writer.u16(id).u16(value.length).bytes(value);
  return writer.u16(avIds.endOfList).u16(0).toBytes();
}

/**
 * Reads up to MsvAvEOL; octets behind it are padding and ignored. A list without an end, the same identifier twice and
 * values of the wrong size are refused.
 */
export function decodeAvPairs(bytes: Uint8Array): readonly AvPair[] {
  const reader = new ByteReader(bytes, { what: 'AV pairs' });
  const pairs: AvPair[] = [];
  const seen = new Set<number>();
  for (;;) {
    const id = reader.u16();
    const value = reader.take(reader.u16()).slice();
    if (id === avIds.endOfList) {
      if (value.length !== 0) throw reader.invalid('the end of the list has a value');
      return pairs;
    }
    const size = fixedSizes.get(id);
    if (size !== undefined && value.length !== size) throw reader.invalid(`pair ${id} has ${value.length} octets`);
    if (seen.has(id)) throw reader.invalid(`pair ${id} is there twice`);
    seen.add(id);
    pairs.push({ id, value });
  }
}

export function findAvPair(pairs: readonly AvPair[], id: number): Uint8Array | undefined {
  return pairs.find((pair) => pair.id === id)?.value;
}

/** MsvAvFlags of the list, 0 when it is absent. */
export function avFlags(pairs: readonly AvPair[]): number {
  const value = findAvPair(pairs, avIds.flags);
  return value === undefined ? 0 : new ByteReader(value).u32();
}

const fixedSizes = new Map<number, number>([
  [avIds.flags, 4],
  [avIds.timestamp, 8],
  [avIds.channelBindings, 16],
]);
