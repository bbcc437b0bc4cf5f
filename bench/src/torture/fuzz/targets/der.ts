import { tlsServerEndPoint } from '@carmine/auth';
import { equalBytes } from '@carmine/wire';
import {
  DerReader,
  decodeDer,
  decodeObjectIdentifier,
  derApplication,
  derBoolean,
  derContext,
  derElement,
  derFields,
  derInteger,
  derListOf,
  derObjectIdentifier,
  derOctetString,
  derOctets,
  derRange,
  derSequence,
  derTags,
  encodeDer,
  encodeObjectIdentifier,
} from '@carmine/wire/der';
import { BrokenPromise, bytesOf, type FuzzSeed, type FuzzTarget, largestToken, remoteOnly } from '../target.ts';

/** A message in the way of Kerberos: optional fields, lists, lists in lists. */
const message = derApplication(
  10,
  derFields('MESSAGE', [
    ['type', 1, derRange('type', 0, 255)],
    ['names', 2, derListOf(derListOf(derOctets, 8), 8)],
    ['options', 3, derOctets, 'optional'],
    ['time', 4, derRange('time', -(2 ** 31), 2 ** 31 - 1), 'optional'],
  ]),
);

/** DER by itself, a declared message, object identifiers, and a certificate as TLS hands it over. */
export function derTarget(): FuzzTarget {
  const names = [[bytesOf('host'), bytesOf('files.example')], [bytesOf('x')]];
  const whole = encodeDer(message, { type: 7, names, options: new Uint8Array(200).fill(5), time: -5 });
  const seeds: FuzzSeed[] = [
    { name: 'der elements', input: whole, feed: walkAll },
    { name: 'der elements of all kinds', input: everything(), feed: walkAll },
    {
      name: 'der message',
      input: whole,
      feed(input) {
        const value = decodeDer(message, input);
        return () => {
          if (!equalBytes(encodeDer(message, value), input)) throw new BrokenPromise('DER has one form only');
        };
      },
    },
    {
      name: 'der object identifier',
      input: encodeObjectIdentifier('1.3.6.1.4.1.311.2.2.10'),
      feed(input) {
        const text = decodeObjectIdentifier(input);
        return () => {
          if (!equalBytes(encodeObjectIdentifier(text), input)) throw new BrokenPromise(`${text} has one form only`);
        };
      },
    },
    {
      name: 'der certificate',
      input: certificate(),
      feed(input) {
        tlsServerEndPoint(input);
        return undefined;
      },
    },
  ];
  return { seeds, dictionary: ['\x30\x80', '\x02\x01\x00', '\xa0\x84'], maximum: largestToken, documented: remoteOnly };
}

function walkAll(input: Uint8Array): undefined {
  const reader = new DerReader(input);
  while (!reader.atEnd) walk(reader, 0);
}

/** Reads whatever comes next as what it says it is, as deep as it goes. */
function walk(reader: DerReader, depth: number): void {
  const tag = reader.peekTag();
  if (tag === derTags.octetString) reader.octetString();
  else if (tag === derTags.objectIdentifier) reader.objectIdentifier();
  else if (tag === derTags.enumerated) reader.enumerated();
  else if (tag === derTags.integer) reader.integer();
  else if (tag === derTags.boolean) reader.boolean();
  else if (tag !== undefined && (tag & 0x20) !== 0 && depth < 64) {
    const inner = reader.enter(tag);
    while (!inner.atEnd) walk(inner, depth + 1);
  } else reader.element();
}

function everything(): Uint8Array {
  return derSequence(
    derBoolean(true),
    derInteger(-(2n ** 63n)),
    derInteger(2n ** 64n),
    derObjectIdentifier('2.999.4294967295.1'),
    derContext(0, derSequence(derOctetString(new Uint8Array(300)), derElement(0x1b, bytesOf('text')))),
    derElement(0x0a, Uint8Array.of(2)),
  );
}

/** As much of a certificate as is looked at: RFC 5280 section 4.1 with RSASSA-PSS and SHA-384. */
function certificate(): Uint8Array {
  const hash = derSequence(derObjectIdentifier('2.16.840.1.101.3.4.2.2'));
  const algorithm = derSequence(derObjectIdentifier('1.2.840.113549.1.1.10'), derSequence(derContext(0, hash)));
  const signature = derElement(0x03, new Uint8Array(65));
  return derSequence(derSequence(derInteger(2), algorithm), algorithm, signature);
}
