import type { SeededRandom } from '@carmine/testkit';
import { concatBytes } from '@carmine/wire';

/** What mutations may use besides the input itself. */
export interface MutationMaterial {
  /** Other valid inputs, to splice with. */
  readonly others: readonly Uint8Array[];
  /** Words that mean something to the parser. */
  readonly dictionary: readonly Uint8Array[];
  /** Octets that a result may have. */
  readonly maximum: number;
}

/**
 * A changed copy of a valid input: one to five mutations, one after the other. The same random source gives the same
 * result, so that any input of a run can be made again.
 */
export function mutate(input: Uint8Array, random: SeededRandom, material: MutationMaterial): Uint8Array {
  let output = input;
  // Mostly few changes: what is changed a lot is refused by the first check.
  const steps = random.below(3) === 0 ? 1 + random.below(5) : 1;
  for (let step = 0; step < steps; step++) output = random.pick(mutations)(output, random, material);
  return output.length > material.maximum ? output.slice(0, material.maximum) : output;
}

/** One seed for each input of a run: with it the input can be made again alone. */
export function inputSeed(seed: number, index: number): number {
  let mixed = (seed ^ Math.imul(index + 1, 0x9e37_79b1)) >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b) >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35) >>> 0;
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

type Mutation = (input: Uint8Array, random: SeededRandom, material: MutationMaterial) => Uint8Array;

const flipBits: Mutation = (input, random) => {
  const output = input.slice();
  for (let count = 1 + random.below(3); count > 0 && output.length > 0; count--) {
    const at = random.below(output.length);
    output[at] = output[at]! ^ (1 << random.below(8));
  }
  return output;
};

const setByte: Mutation = (input, random) => {
  const output = input.slice();
  if (output.length > 0) {
    output[random.below(output.length)] = random.below(2) === 0 ? random.below(256) : random.pick(edges);
  }
  return output;
};

const truncate: Mutation = (input, random) => input.slice(0, random.below(input.length + 1));

const behead: Mutation = (input, random) => input.slice(random.below(input.length + 1));

const cutOut: Mutation = (input, random) => {
  const [start, end] = range(input, random);
  return concatBytes(input.subarray(0, start), input.subarray(end));
};

/** The same part again and again: nesting, long lists, long texts. */
const repeat: Mutation = (input, random, { maximum }) => {
  const [start, end] = range(input, random);
  const part = input.subarray(start, end);
  const room = Math.floor(Math.max(0, maximum - input.length) / Math.max(1, part.length));
  const times = Math.min(room, random.below(10) === 0 ? random.below(4096) : 1 + random.below(20));
  const filling = new Uint8Array(part.length * times);
  for (let time = 0; time < times; time++) filling.set(part, time * part.length);
  return concatBytes(input.subarray(0, end), filling, input.subarray(end));
};

const splice: Mutation = (input, random, { others }) => {
  const other = others.length === 0 ? input : random.pick(others);
  return concatBytes(input.subarray(0, random.below(input.length + 1)), other.subarray(random.below(other.length + 1)));
};

const insertRandom: Mutation = (input, random) => {
  const at = random.below(input.length + 1);
  return concatBytes(input.subarray(0, at), random.bytes(1 + random.below(16)), input.subarray(at));
};

const insertWord: Mutation = (input, random, material) => {
  if (material.dictionary.length === 0) return insertRandom(input, random, material);
  const at = random.below(input.length + 1);
  const end = random.below(2) === 0 ? at : Math.min(input.length, at + 1 + random.below(8));
  return concatBytes(input.subarray(0, at), random.pick(material.dictionary), input.subarray(end));
};

/** A number of 1, 2, 4 or 8 octets, in either order, is set to what counters get wrong, or changed a little. */
const editLength: Mutation = (input, random) => {
  const width = random.pick([1, 2, 4, 8]);
  if (input.length < width) return input;
  const output = input.slice();
  const at = random.below(input.length - width + 1);
  const little = random.below(2) === 0;
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength);
  const byte = (place: number) => at + (little ? place : width - 1 - place);
  const small = width === 8 ? 0 : readNumber(view, at, width, little);
  const value = random.pick([
    BigInt(small) + 1n,
    BigInt(small) - 1n,
    BigInt(small) * 2n,
    BigInt(input.length),
    BigInt(input.length - at),
    BigInt(random.pick(edges)),
    (1n << BigInt(8 * width)) - 1n,
    1n << BigInt(8 * width - 1),
    BigInt(random.uint32()),
  ]);
  for (let place = 0; place < width; place++) output[byte(place)] = Number((value >> BigInt(8 * place)) & 0xffn);
  return output;
};

/** Digits in a text: a number becomes another one. */
const editDigits: Mutation = (input, random) => {
  const start = random.below(input.length + 1);
  const at = input.findIndex((byte, index) => index >= start && byte >= 0x30 && byte <= 0x39);
  if (at < 0) return setByteOrSame(input, random);
  let end = at;
  while (end < input.length && input[end]! >= 0x30 && input[end]! <= 0x39) end++;
  return concatBytes(input.subarray(0, at), new TextEncoder().encode(random.pick(numbers)), input.subarray(end));
};

const swapParts: Mutation = (input, random) => {
  const [start, end] = range(input, random);
  const middle = start + random.below(end - start + 1);
  return concatBytes(
    input.subarray(0, start),
    input.subarray(middle, end),
    input.subarray(start, middle),
    input.subarray(end),
  );
};

const nothingButRandom: Mutation = (_, random) => random.bytes(random.below(300));

const mutations: readonly Mutation[] = [
  flipBits,
  flipBits,
  setByte,
  setByte,
  truncate,
  behead,
  cutOut,
  repeat,
  splice,
  insertRandom,
  insertWord,
  insertWord,
  editLength,
  editLength,
  editLength,
  editDigits,
  swapParts,
  nothingButRandom,
];

function setByteOrSame(input: Uint8Array, random: SeededRandom): Uint8Array {
  const output = input.slice();
  if (output.length > 0) output[random.below(output.length)] = random.below(256);
  return output;
}

function range(input: Uint8Array, random: SeededRandom): [start: number, end: number] {
  const start = random.below(input.length + 1);
  return [start, start + random.below(Math.min(input.length - start, 256) + 1)];
}

function readNumber(view: DataView, at: number, width: number, little: boolean): number {
  if (width === 1) return view.getUint8(at);
  return width === 2 ? view.getUint16(at, little) : view.getUint32(at, little);
}

const edges = [0, 1, 0x20, 0x7f, 0x80, 0xfe, 0xff, 0x0a, 0x22, 0x3c];
const numbers = ['0', '-1', '1', '00', '255', '256', '65536', '2147483648', '4294967295', '4294967296'].concat(
  '18446744073709551616',
  '9'.repeat(400),
  '1e999',
  '0x10',
);
