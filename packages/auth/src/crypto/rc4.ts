/**
 * The RC4 key stream (RFC 6229 has its vectors). NTLM's sealing needs it and OpenSSL 3 no longer has it. The state runs
 * on over calls; `clone` keeps a point to come back to.
 */
export class Rc4 {
  readonly #s: Uint8Array;
  #i = 0;
  #j = 0;

  constructor(key: Uint8Array) {
    if (key.length === 0 || key.length > 256) throw new RangeError(`RC4 key of ${key.length} octets`);
    const s = Uint8Array.from({ length: 256 }, (_, i) => i);
    for (let i = 0, j = 0; i < 256; i++) {
      const si = s[i]!;
      j = (j + si + key[i % key.length]!) & 0xff;
      s[i] = s[j]!;
      s[j] = si;
    }
    this.#s = s;
  }

  /** Encrypts or decrypts: the same operation. */
  apply(input: Uint8Array): Uint8Array {
    const s = this.#s;
    const out = new Uint8Array(input.length);
    let i = this.#i;
    let j = this.#j;
    for (let n = 0; n < input.length; n++) {
      i = (i + 1) & 0xff;
      const si = s[i]!;
      j = (j + si) & 0xff;
      const sj = s[j]!;
      s[i] = sj;
      s[j] = si;
      out[n] = input[n]! ^ s[(si + sj) & 0xff]!;
    }
    this.#i = i;
    this.#j = j;
    return out;
  }

  /** A second state that stands where this one stands. */
  clone(): Rc4 {
    const copy = new Rc4(Uint8Array.of(0));
    copy.#s.set(this.#s);
    copy.#i = this.#i;
    copy.#j = this.#j;
    return copy;
  }
}
