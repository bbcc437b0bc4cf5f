import { connect, type Socket } from 'node:net';
import type { SecurityContext } from '@carmine/auth';
import { decodeSid } from '@carmine/security';
import {
  DerReader,
  derBoolean,
  derElement,
  derEnumerated,
  derInteger,
  derOctetString,
  derSequence,
} from '@carmine/wire/der';

/** How messages are protected after the bind: each becomes one SASL buffer (RFC 4422 section 3.7). */
export interface Protection {
  seal(plaintext: Uint8Array): Uint8Array;
  open(buffer: Uint8Array): Uint8Array;
}

/**
 * Just enough LDAP (RFC 4511) to authenticate with SASL GSS-SPNEGO ([MS-ADTS] 5.1.1.1.2) and to ask for one's own
 * SID, with every message after the bind sealed: the way to a Samba AD that needs nothing but our contexts.
 */
export class LdapClient {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #wake: () => void = () => {};
  #protection: Protection | undefined;
  #message = 0;
  #messages: DerReader | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    socket.on('close', () => this.#wake());
  }

  static open(host: string, port: number): Promise<LdapClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, host, () => resolve(new LdapClient(socket)));
      socket.once('error', reject);
    });
  }

  /** Binds; throws with LDAP's result code when the server refuses. */
  async bind(context: SecurityContext, protection: Protection = sealing(context)): Promise<void> {
    let token = context.step();
    for (;;) {
      const credentials = derElement(
        0xa3,
        derOctetString(text('GSS-SPNEGO')),
        derOctetString(token ?? new Uint8Array()),
      );
      const answer = await this.#exchange(
        derElement(0x60, derInteger(3), derOctetString(new Uint8Array()), credentials),
        0x61,
      );
      const code = Number(answer.enumerated());
      answer.octetString();
      const diagnostics = new TextDecoder().decode(answer.octetString());
      if (code !== 0 && code !== saslBindInProgress) throw new Error(`LDAP result ${code}: ${diagnostics}`);
      const reply = answer.atEnd ? undefined : answer.expect(0x87);
      token = context.complete ? undefined : context.step(reply);
      if (code === 0) break;
    }
    if (!context.complete) throw new Error('the server was done before we were');
    this.#protection = protection;
  }

  /** Our SID: the first of `tokenGroups` of the root, which AD computes from the token of the connection. */
  async ownSid(): Promise<string> {
    const nothing = derOctetString(new Uint8Array());
    const search = derElement(
      0x63,
      nothing,
      derEnumerated(0),
      derEnumerated(0),
      derInteger(0),
      derInteger(0),
      derBoolean(false),
      derElement(0x87, text('objectClass')),
      derSequence(derOctetString(text('tokenGroups'))),
    );
    const entry = await this.#exchange(search, 0x64);
    entry.octetString();
    const attribute = entry.sequence().sequence();
    attribute.octetString();
    const sid = attribute.enter(0x31).octetString();
    const done = await this.#receive(0x65);
    if (Number(done.enumerated()) !== 0) throw new Error('the search failed');
    return decodeSid(sid);
  }

  close(): void {
    this.#socket.destroy();
  }

  async #exchange(operation: Uint8Array, expected: number): Promise<DerReader> {
    const message = derSequence(derInteger(++this.#message), operation);
    const protection = this.#protection;
    this.#socket.write(protection === undefined ? message : withLength(protection.seal(message)));
    return this.#receive(expected);
  }

  /** The next message; one SASL buffer may hold several. */
  async #receive(expected: number): Promise<DerReader> {
    const protection = this.#protection;
    if (this.#messages === undefined || this.#messages.atEnd) {
      const bytes = protection === undefined ? await this.#plain() : await this.#sealed(protection);
      this.#messages = new DerReader(bytes, 'LDAPMessage');
    }
    const reader = this.#messages.sequence();
    reader.integer();
    return reader.enter(expected);
  }

  /** One BER element; Samba uses long form lengths. */
  async #plain(): Promise<Uint8Array> {
    for (;;) {
      const second = this.#received[1];
      if (second !== undefined) {
        const octets = second < 0x80 ? 0 : second & 0x7f;
        if (this.#received.length >= 2 + octets) {
          const length = octets === 0 ? second : this.#received.readUIntBE(2, octets);
          if (this.#received.length >= 2 + octets + length) return shortest(this.#take(2 + octets + length));
        }
      }
      await this.#more();
    }
  }

  async #sealed(protection: Protection): Promise<Uint8Array> {
    while (this.#received.length < 4 || this.#received.length < 4 + this.#received.readUInt32BE(0)) await this.#more();
    const buffer = this.#take(4 + this.#received.readUInt32BE(0)).subarray(4);
    return shortest(protection.open(new Uint8Array(buffer)));
  }

  #take(length: number): Buffer {
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }

  async #more(): Promise<void> {
    if (this.#socket.destroyed) throw new Error('the server closed the connection');
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** NTLM: signature, then ciphertext. */
function sealing(context: SecurityContext): Protection {
  return {
    seal(plaintext) {
      const { header, data } = context.wrap(plaintext);
      return Buffer.concat([header, data]);
    },
    open: (buffer) => context.unwrap({ header: buffer.subarray(0, 16), data: buffer.subarray(16) }),
  };
}

function withLength(buffer: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(buffer.length);
  return Buffer.concat([length, buffer]);
}

/** BER to DER as far as lengths go: Samba writes them in four octets, our reader takes the shortest form only. */
function shortest(ber: Uint8Array): Uint8Array {
  const elements: Uint8Array[] = [];
  for (let position = 0; position < ber.length; ) {
    const tag = ber[position] ?? 0;
    const first = ber[position + 1] ?? 0;
    const octets = first < 0x80 ? 0 : first & 0x7f;
    let length = first;
    if (octets > 0)
      length = ber.subarray(position + 2, position + 2 + octets).reduce((sum, octet) => sum * 256 + octet, 0);
    const start = position + 2 + octets;
    const contents = ber.subarray(start, start + length);
    if (contents.length !== length) throw new Error('a truncated LDAP message');
    elements.push(derElement(tag, (tag & 0x20) === 0 ? contents : shortest(contents)));
    position = start + length;
  }
  return Buffer.concat(elements);
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

const saslBindInProgress = 14;
