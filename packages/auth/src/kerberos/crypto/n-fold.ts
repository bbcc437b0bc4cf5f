/**
 * n-fold, RFC 3961 section 5.1: the input, repeated and rotated right by 13 bits each time until its length is a
 * multiple of `length`, cut into pieces that are added with end-around carry.
 */
export function nFold(input: Uint8Array, length: number): Uint8Array {
  const total = leastCommonMultiple(input.length, length);
  const sum = new Uint32Array(length);
  for (let copy = 0; copy * input.length < total; copy++) {
    const rotated = rotateRight(input, 13 * copy);
    for (const [i, octet] of rotated.entries()) {
      const position = (copy * input.length + i) % length;
      sum[position]! += octet;
    }
  }
  // The carry out of the first octet comes in again at the last.
  let carry = 0;
  do {
    for (let i = length - 1; i >= 0; i--) {
      const value = sum[i]! + carry;
      sum[i] = value & 0xff;
      carry = value >>> 8;
    }
  } while (carry > 0);
  return Uint8Array.from(sum);
}

function rotateRight(input: Uint8Array, bits: number): Uint8Array {
  const size = input.length * 8;
  const shift = bits % size;
  return input.map((_, i) => {
    // The octet that starts at bit 8i - shift of the input, cyclically.
    const start = (8 * i - shift + size) % size;
    const [octet, offset] = [start >>> 3, start & 7];
    const pair = (input[octet]! << 8) | input[(octet + 1) % input.length]!;
    return (pair >>> (8 - offset)) & 0xff;
  });
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a / x) * b;
}
