import type { OnReadOpts, Socket } from 'node:net';
import { isCarmineError } from '@carmine/errors';
import type { Peer } from './peer.ts';
import { pour } from './raw-socket.ts';

/** Who reads what comes over a line. */
export interface LineReader {
  /** Where the next octets go. */
  space(): Uint8Array;
  /** So many are there now; false: no more until the line is resumed. */
  received(count: number): boolean;
  connected(): void;
  /** It is of no use any more, or never was. Undefined: the other side closed it, in order. */
  lost(reason: unknown): void;
}

/**
 * The life of one socket that is read into its reader's memory: until it is connected, several are tried one after the other. Another reader can go on
 * with it, where the one before has read all that came.
 */
export class Line {
  readonly #peer: Peer;
  #reader: LineReader;
  /** Whose memory Node has for what comes next. */
  #lender: LineReader | undefined;
  #socket: Socket | undefined;
  /** Stands for the socket that may read, also before it is there. */
  #reading: symbol | undefined;
  #connected = false;
  #attemptedAt = 0;
  #reachedAfter: number | undefined;
  #error: unknown;
  #impatience: NodeJS.Timeout | undefined;
  readonly #deadline: NodeJS.Timeout;
  /** A tunnel that is being made. */
  #tunnelling: AbortController | undefined;

  constructor(peer: Peer, reader: LineReader) {
    this.#peer = peer;
    this.#reader = reader;
    this.#deadline = setTimeout(() => {
      this.#missed(Object.assign(new Error('the server took too long'), { code: 'ETIMEDOUT' }));
    }, peer.connectTimeout);
    this.#connect(0);
  }

  /** From now on. What Node reads into the memory of the one before is brought over. */
  handTo(reader: LineReader): void {
    this.#reader = reader;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Milliseconds that its socket took to be connected, to whatever is at its other end. */
  get reachedAfter(): number | undefined {
    return this.#reachedAfter;
  }

  get destroyed(): boolean {
    return this.#socket?.destroyed !== false;
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  /** Whether it keeps the program running. */
  ref(keeps: boolean): void {
    if (keeps) this.#socket?.ref();
    else this.#socket?.unref();
  }

  /** Leaves at the end of this turn of the loop; `leaving` is called just before. */
  ask(text: string, leaving: () => void): void {
    const socket = this.#socket;
    atEndOfTurn(() => {
      if (socket === undefined || socket.destroyed) return;
      leaving();
      socket.write(text, 'latin1');
    });
  }

  /** Leaves now. */
  write(bytes: Uint8Array, sent: (error?: Error | null) => void): void {
    if (this.#socket === undefined) sent(new Error('the connection is closed'));
    else this.#socket.write(bytes, sent);
  }

  /** Its reader hears nothing more. `over`: nothing is put into its memory any more, either. */
  close(over: () => void): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#reading = undefined;
    this.#connected = false;
    clearTimeout(this.#impatience);
    clearTimeout(this.#deadline);
    this.#tunnelling?.abort();
    if (socket === undefined || socket.closed) {
      over();
      return;
    }
    // Until then it may be written to: what TLS has received already is decrypted, whether anybody reads it or not.
    socket.once('close', over);
    socket.destroy();
  }

  /** `attempt`: how many before it were given up because nothing came of them. */
  #connect(attempt: number): void {
    const { logon, proxyLogon, sockets } = this.#peer;
    logon.reconnect();
    proxyLogon?.reconnect();
    this.#error = undefined;
    const reading = Symbol('reading');
    this.#reading = reading;
    // A socket that was given up may have more to bring until it is closed: never into a buffer that is somebody else's.
    const onread: OnReadOpts = {
      buffer: () => (this.#reading === reading ? this.#space() : sink),
      callback: (count, bytes) => this.#reading === reading && this.#received(count, bytes),
    };
    if (sockets.tunnel === undefined) {
      this.#take(sockets.open(onread), attempt);
      return;
    }
    this.#tunnelling = new AbortController();
    sockets.tunnel(this.#tunnelling.signal).then(
      (tunnel) => {
        if (this.#reading === reading) this.#take(sockets.open(onread, tunnel), attempt);
        else tunnel.destroy();
      },
      (reason: unknown) => this.#reading === reading && this.#missed(reason),
    );
  }

  #take(socket: Socket, attempt: number): void {
    const { logon, proxyLogon, sockets } = this.#peer;
    this.#socket = socket;
    // From here on the other side is waited for, not a resolver of names.
    socket.on('connectionAttempt', () => this.#connectSoon(socket, attempt));
    socket.once('connect', () => this.#reached(socket));
    socket.once(sockets.ready, () => {
      if (this.#socket !== socket) return;
      const refused = sockets.refused(socket);
      if (refused !== undefined) {
        this.#reader.lost(refused);
        return;
      }
      clearTimeout(this.#deadline);
      this.#connected = true;
      logon.connected(socket);
      proxyLogon?.connected(socket);
      this.#reader.connected();
    });
    socket.on('error', (reason: unknown) => {
      this.#error ??= reason;
    });
    const lost = () => {
      if (this.#socket !== socket) return;
      if (this.#connected) this.#reader.lost(this.#error);
      else this.#missed(this.#error);
    };
    socket.once('end', lost);
    socket.once('close', lost);
  }

  /**
   * TCP asks again after 1, 3, 7, 15 s; when the way was cut, a new socket finds sooner out that it is free again. A server that is
   * really far away has more time now and then.
   */
  #connectSoon(socket: Socket, attempt: number): void {
    this.#attemptedAt = performance.now();
    clearTimeout(this.#impatience);
    this.#impatience = setTimeout(
      () => {
        if (this.#socket !== socket || !socket.connecting) return;
        socket.destroy();
        this.#connect(attempt + 1);
      },
      attempt % 4 === 3 ? farConnect : quickConnect,
    );
  }

  #reached(socket: Socket): void {
    if (this.#socket !== socket) return;
    clearTimeout(this.#impatience);
    if (this.#peer.sockets.tunnel === undefined) this.#reachedAfter = performance.now() - this.#attemptedAt;
  }

  /** It did not come about. What a proxy says itself is an answer; within its tunnel it is not at fault. */
  #missed(reason: unknown): void {
    const tunnelled = this.#peer.sockets.tunnel !== undefined && this.#socket !== undefined;
    if (!tunnelled && !isCarmineError(reason)) this.#peer.unreachable();
    this.#reader.lost(reason);
  }

  #space(): Uint8Array {
    this.#lender = this.#reader;
    return this.#reader.space();
  }

  #received(count: number, bytes: Uint8Array): boolean {
    if (this.#lender === this.#reader) return this.#reader.received(count);
    let more = true;
    pour(bytes.subarray(0, count), {
      buffer: () => (this.#reading === undefined ? sink : this.#reader.space()),
      callback: (part) => {
        more = this.#reading !== undefined && this.#reader.received(part);
        return more;
      },
    });
    return more;
  }
}

/** UNSPECIFIED: milliseconds until another socket is tried. */
const quickConnect = 1_000;
const farConnect = 5_000;

/** Where the octets go that nobody wants; nobody reads them. */
const sink = new Uint8Array(64 * 1024);

/**
 * Requests that arise in one turn of the loop leave together at its end: a server that sleeps is woken once for all of them, which
 * costs whoever wakes it as much as everything else about a small file.
 */
function atEndOfTurn(send: () => void): void {
  if (leaving.push(send) > 1) return;
  setImmediate(() => {
    for (const each of leaving.splice(0)) each();
  });
}
const leaving: (() => void)[] = [];
