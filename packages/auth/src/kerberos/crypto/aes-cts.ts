import { createCipheriv, createDecipheriv } from 'node:crypto';

const block = 16;
const zeroIv = new Uint8Array(block);

/**
 * AES in CBC mode with ciphertext stealing and a zero initial vector, RFC 3962 section 5, built from CBC: the last two
 * blocks change places, and the one that is then last is cut to the length of the plaintext. One single block is plain
 * CBC. The parts count as one text of at least 16 octets.
 */
export function aesCtsEncrypt(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const { text, length } = paddedText(parts);
  const cbc = aesCbcEncrypt(key, text);
  if (cbc.length > block) swapLastBlocks(cbc);
  return cbc.subarray(0, length);
}

export function aesCtsDecrypt(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const { text, length } = paddedText(parts);
  if (text.length > block) {
    // The stolen octets of the last but one block are those under the padding, which was zero.
    const last = text.length - block;
    const padding = aesCbcDecrypt(key, text.subarray(last - block, last));
    text.set(padding.subarray(block - (text.length - length)), length);
    swapLastBlocks(text);
  }
  return aesCbcDecrypt(key, text).subarray(0, length);
}

/** Whole blocks, zero initial vector, no padding. */
export function aesCbcEncrypt(key: Uint8Array, plaintext: Uint8Array): Uint8Array {
  // Without padding all of it comes at once, and nothing at the end.
  return octetsOf(
    createCipheriv(`aes-${key.length * 8}-cbc`, key, zeroIv)
      .setAutoPadding(false)
      .update(plaintext),
  );
}

function aesCbcDecrypt(key: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  return octetsOf(
    createDecipheriv(`aes-${key.length * 8}-cbc`, key, zeroIv)
      .setAutoPadding(false)
      .update(ciphertext),
  );
}

/** A copy in whole blocks, with zeros at the end: large messages are copied here and nowhere else. */
function paddedText(parts: readonly Uint8Array[]): { readonly text: Uint8Array; readonly length: number } {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length < block) throw new RangeError(`ciphertext stealing needs ${block} octets`);
  const text = new Uint8Array(Math.ceil(length / block) * block);
  let position = 0;
  for (const part of parts) {
    text.set(part, position);
    position += part.length;
  }
  return { text, length };
}

function swapLastBlocks(text: Uint8Array): void {
  const [first, second] = [text.length - 2 * block, text.length - block];
  const moved = text.slice(first, second);
  text.copyWithin(first, second);
  text.set(moved, second);
}

/** Buffer's `slice` shares memory, an array's copies: callers shall not have to know which they hold. */
function octetsOf(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
