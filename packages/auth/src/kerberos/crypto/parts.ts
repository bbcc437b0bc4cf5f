import { aesCtsDecrypt, aesCtsEncrypt } from './aes-cts.ts';

/**
 * Ciphertext stealing over the confounder and those parts that are encrypted, as if they were one text; each comes back
 * in its place with its own length.
 */
export function encryptParts(
  key: Uint8Array,
  confounder: Uint8Array,
  parts: readonly Uint8Array[],
  encrypted: readonly boolean[],
): { readonly confounder: Uint8Array; readonly parts: readonly Uint8Array[] } {
  return transform(aesCtsEncrypt, key, confounder, parts, encrypted);
}

export function decryptParts(
  key: Uint8Array,
  confounder: Uint8Array,
  parts: readonly Uint8Array[],
  encrypted: readonly boolean[],
): { readonly confounder: Uint8Array; readonly parts: readonly Uint8Array[] } {
  return transform(aesCtsDecrypt, key, confounder, parts, encrypted);
}

function transform(
  apply: (key: Uint8Array, ...text: readonly Uint8Array[]) => Uint8Array,
  key: Uint8Array,
  confounder: Uint8Array,
  parts: readonly Uint8Array[],
  encrypted: readonly boolean[],
) {
  const text = apply(key, confounder, ...parts.filter((_, i) => encrypted[i] === true));
  let position = confounder.length;
  const out = parts.map((part, i) => {
    if (encrypted[i] !== true) return part;
    position += part.length;
    return text.subarray(position - part.length, position);
  });
  return { confounder: text.subarray(0, confounder.length), parts: out };
}
