/** A Buffer as plain octets: the `slice` of a Buffer is no copy, as the cores take it to be. */
export function octetsOf(chunk: Buffer): Uint8Array {
  return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
}
