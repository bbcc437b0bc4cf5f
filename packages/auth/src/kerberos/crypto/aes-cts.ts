import { createCipheriv, createDecipheriv } from 'node:crypto';
import { concatBytes } from '@carmine/wire';

const block = 16;
const zeroIv = new Uint8Array(block);

/**
 * AES in CBC mode with ciphertext stealing and a zero initial vector, RFC 3962 section 5, built from CBC: the last two
 * blocks change places, and the one that is then last is cut to the length of the plaintext. One single block is plain
 * CBC. At least 16 octets.
 */
export function aesCtsEncrypt(key: Uint8Array, plaintext: Uint8Array): Uint8Array {
  checkLength(plaintext);
  const blocks = Math.ceil(plaintext.length / block);
  const padded = new Uint8Array(blocks * block);
  padded.set(plaintext);
  const cbc = aesCbcEncrypt(key, padded);
  if (blocks === 1) return cbc;
  const split = (blocks - 2) * block;
  const out = new Uint8Array(plaintext.length);
  out.set(cbc.subarray(0, split));
  out.set(cbc.subarray(split + block), split);
  out.set(cbc.subarray(split, split + plaintext.length - split - block), split + block);
  return out;
}

export function aesCtsDecrypt(key: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  checkLength(ciphertext);
  const blocks = Math.ceil(ciphertext.length / block);
  if (blocks === 1) return aesCbcDecrypt(key, ciphertext);
  const split = (blocks - 2) * block;
  const last = ciphertext.subarray(split, split + block);
  const stolen = ciphertext.subarray(split + block);
  // The stolen octets of the last but one block are those under the padding, which was zero.
  const padding = aesCbcDecrypt(key, last).subarray(stolen.length);
  const cbc = concatBytes(ciphertext.subarray(0, split), stolen, padding, last);
  return aesCbcDecrypt(key, cbc).slice(0, ciphertext.length);
}

/** Whole blocks, zero initial vector, no padding. */
export function aesCbcEncrypt(key: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, zeroIv).setAutoPadding(false);
  return concatBytes(cipher.update(plaintext), cipher.final());
}

function aesCbcDecrypt(key: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  const decipher = createDecipheriv(`aes-${key.length * 8}-cbc`, key, zeroIv).setAutoPadding(false);
  return concatBytes(decipher.update(ciphertext), decipher.final());
}

function checkLength(input: Uint8Array): void {
  if (input.length < block) throw new RangeError(`ciphertext stealing needs ${block} octets`);
}
