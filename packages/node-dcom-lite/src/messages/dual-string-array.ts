import { ByteReader, ByteWriter, decodeUtf16, encodeUtf16 } from '@carmine/wire';
import { type NdrType, ndrConformantStruct } from '@carmine/wire/ndr';

/** STRINGBINDING, [MS-DCOM] 2.2.19.3: `host` or `host[port]` under a tower identifier; 7 is TCP. */
export interface StringBinding {
  readonly towerId: number;
  readonly address: string;
}

/** SECURITYBINDING, [MS-DCOM] 2.2.19.4. */
export interface SecurityBinding {
  readonly authnService: number;
  readonly principal: string;
}

export interface DualStringArray {
  readonly strings: readonly StringBinding[];
  readonly securities: readonly SecurityBinding[];
}

export const tcpTower = 7;

/**
 * DUALSTRINGARRAY, [MS-DCOM] 2.2.19.1, as it stands in an OBJREF; both numbers count words:
 *
 *     u16 wNumEntries | u16 wSecurityOffset | string bindings, 0000 | security bindings, 0000
 */
export function writeDualStringArray({ strings, securities }: DualStringArray): Uint8Array {
  const words = new ByteWriter();
  for (const { towerId, address } of strings) words.u16(towerId).bytes(encodeUtf16(address)).u16(0);
  words.u16(0);
  // "Minimum 0004 0002": an empty part has two words.
  if (strings.length === 0) words.u16(0);
  const offset = words.length / 2;
  for (const { authnService, principal } of securities)
    words.u16(authnService).u16(0xffff).bytes(encodeUtf16(principal)).u16(0);
  words.u16(0);
  if (securities.length === 0) words.u16(0);
  return new ByteWriter()
    .u16(words.length / 2)
    .u16(offset)
    .bytes(words.toBytes())
    .toBytes();
}

/** Reads one from `reader`, which stands at wNumEntries; little-endian, always. */
export function readDualStringArray(reader: ByteReader): DualStringArray {
  const [entries, offset] = [reader.u16(), reader.u16()];
  if (offset > entries) throw reader.invalid('wSecurityOffset');
  return readEntries(reader.take(entries * 2), offset);
}

/** As a parameter or member: a conformant structure, whose maximum is wNumEntries. */
export const dualStringArrayType: NdrType<DualStringArray> = ndrConformantStruct('DUALSTRINGARRAY', {
  alignment: 4,
  count: (value: DualStringArray) => writeDualStringArray(value).length / 2 - 2,
  write: (writer, value) => void writer.bytes(writeDualStringArray(value)),
  read(reader, maximum) {
    const [entries, offset] = [reader.u16(), reader.u16()];
    if (entries > maximum || offset > entries) throw reader.invalid('wNumEntries');
    const words = reader.take(reader.checkCount(maximum, 2) * 2);
    return readEntries(words.subarray(0, entries * 2), offset);
  },
});

/** Port of a binding `host[port]`. */
export function portOf({ address }: StringBinding): number | undefined {
  const match = /\[(\d{1,5})\]$/.exec(address);
  return match === null ? undefined : Number(match[1]);
}

function readEntries(words: Uint8Array, offset: number): DualStringArray {
  const first = new ByteReader(words.subarray(0, offset * 2), { what: 'DUALSTRINGARRAY' });
  const strings: StringBinding[] = [];
  while (first.remaining >= 2) {
    const towerId = first.u16();
    if (towerId === 0) break;
    strings.push({ towerId, address: readText(first) });
  }
  const second = new ByteReader(words.subarray(offset * 2), { what: 'DUALSTRINGARRAY' });
  const securities: SecurityBinding[] = [];
  while (second.remaining >= 2) {
    const authnService = second.u16();
    if (authnService === 0) break;
    second.skip(2);
    securities.push({ authnService, principal: readText(second) });
  }
  return { strings, securities };
}

function readText(reader: ByteReader): string {
  const start = reader.position;
  while (reader.u16() !== 0);
  const length = reader.position - start;
  reader.seek(start);
  return decodeUtf16(reader.take(length)).slice(0, -1);
}
