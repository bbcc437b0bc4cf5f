import { equalBytes } from '@carmine/wire';
import { decodeObject, encodeObject } from '@carmine/wmi';
import { readObjRef, writeObjRef } from 'node-dcom-lite';
import { BrokenPromise, type FuzzTarget, remoteOnly } from '../../target.ts';
import { recordSession } from './session.ts';

/** Object references by reference and by value, out of a session. */
export async function objrefTarget(): Promise<FuzzTarget> {
  const seeds = (await found('MEOW', (rest) => rest)).map((input, number) => ({
    name: `OBJREF ${number}`,
    input,
    feed(mutated: Uint8Array) {
      const read = readObjRef(mutated);
      return () => {
        const written = writeObjRef(read);
        if (!equalBytes(writeObjRef(readObjRef(written)), written))
          throw new BrokenPromise('what was written reads otherwise');
      };
    },
  }));
  return { seeds, dictionary: ['MEOW', '\x07\0', '\0\0'], maximum: 65_535, documented: remoteOnly };
}

/** Classes with methods, instances with embedded ones, in- and out-parameters. */
export async function wmioTarget(): Promise<FuzzTarget> {
  const seeds = (await found('\x78\x56\x34\x12', encodingUnit)).map((input, number) => ({
    name: `WMIO ${number}`,
    input,
    feed(mutated: Uint8Array) {
      const object = decodeObject(mutated);
      return () => {
        // What overlaps cannot be placed again; what can must read as the same.
        const plain = encodeObject(decodeObject(input));
        if (!equalBytes(plain, input)) throw new BrokenPromise('a valid object comes out changed');
        if (object.kind !== 'class' && object.kind !== 'instance')
          throw new BrokenPromise('neither class nor instance');
      };
    },
  }));
  return {
    seeds,
    dictionary: ['\0__PARAMETERS\0', '\xff\xff\xff\xff', '\x0a\0\0\x80'],
    maximum: 262_144,
    documented: remoteOnly,
  };
}

/** What begins with a signature in the PDUs of a session; at most a dozen, of different lengths. */
async function found(signature: string, cut: (rest: Uint8Array) => Uint8Array | undefined): Promise<Uint8Array[]> {
  const marks = Uint8Array.from(signature, (character) => character.charCodeAt(0));
  const byLength = new Map<number, Uint8Array>();
  for (const { sent, received } of await recordSession())
    for (const pdu of [...sent, ...received])
      for (let at = 0; at + marks.length < pdu.length; at++) {
        if (!marks.every((octet, i) => pdu[at + i] === octet)) continue;
        const octets = cut(pdu.slice(at));
        if (octets !== undefined) byLength.set(octets.length, octets);
      }
  return [...byLength.values()].slice(0, 12);
}

function encodingUnit(rest: Uint8Array): Uint8Array | undefined {
  const length = new DataView(rest.buffer, rest.byteOffset).getUint32(4, true);
  return 8 + length <= rest.length ? rest.slice(0, 8 + length) : undefined;
}
