import type { SeededRandom } from '@carmine/testkit';

/** Changes 1 to 3 different bits of a range. */
export function flip(message: Uint8Array, random: SeededRandom, start: number, end: number): Uint8Array {
  const copy = message.slice();
  const bits = new Set(Array.from({ length: 1 + random.below(3) }, () => random.below((end - start) * 8)));
  for (const bit of bits) copy[start + (bit >> 3)] = copy[start + (bit >> 3)]! ^ (1 << (bit & 7));
  return copy;
}
