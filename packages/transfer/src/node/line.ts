import type { Socket } from 'node:net';
import type { ConnectionLogon } from './connection.ts';
import type { RawSockets } from './raw-socket.ts';

/** Who reads what comes over a line. */
export interface LineReader {
  /** Where the next octets go. */
  space(): Uint8Array;
  /** So many are there now; false: no more until the line is resumed. */
  received(count: number): boolean;
  connected(): void;
  /** It is of no use any more, or never was. */
  lost(reason: unknown): void;
}

/** The life of one socket that is read into its reader's memory: until it is connected, several are tried one after the other. */
export class Line {
  readonly #sockets: RawSockets;
  readonly #logon: ConnectionLogon;
  readonly #reader: LineReader;
  #socket: Socket | undefined;
  /** Stands for the socket that may read, also before it is there. */
  #reading: symbol | undefined;
  #connected = false;
  #error: unknown;
  #impatience: NodeJS.Timeout | undefined;

  constructor(sockets: RawSockets, logon: ConnectionLogon, reader: LineReader) {
    this.#sockets = sockets;
    this.#logon = logon;
    this.#reader = reader;
    this.#connect(0);
  }

  get connected(): boolean {
    return this.#connected;
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
  write(text: string, leaving: () => void): void {
    const socket = this.#socket;
    atEndOfTurn(() => {
      if (socket === undefined || socket.destroyed) return;
      leaving();
      socket.write(text, 'latin1');
    });
  }

  /** Its reader hears nothing more. `over`: nothing is put into its memory any more, either. */
  close(over: () => void): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#reading = undefined;
    this.#connected = false;
    clearTimeout(this.#impatience);
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
    this.#logon.reconnect();
    this.#error = undefined;
    const reading = Symbol('reading');
    this.#reading = reading;
    // A socket that was given up may have more to bring until it is closed: never into a buffer that is somebody else's.
    const socket = this.#sockets.open({
      buffer: () => (this.#reading === reading ? this.#reader.space() : sink),
      callback: (count: number) => this.#reading === reading && this.#reader.received(count),
    });
    this.#socket = socket;
    // From here on the other side is waited for, not a resolver of names.
    socket.on('connectionAttempt', () => this.#connectSoon(socket, attempt));
    socket.once('connect', () => this.#socket === socket && clearTimeout(this.#impatience));
    socket.once(this.#sockets.ready, () => {
      if (this.#socket !== socket) return;
      const refused = this.#sockets.refused(socket);
      if (refused !== undefined) {
        this.#reader.lost(refused);
        return;
      }
      this.#connected = true;
      this.#logon.connected(socket);
      this.#reader.connected();
    });
    socket.on('error', (reason: unknown) => {
      this.#error ??= reason;
    });
    socket.once('end', () => this.#lost(socket));
    socket.once('close', () => this.#lost(socket));
  }

  /**
   * TCP asks again after 1, 3, 7, 15 s; when the way was cut, a new socket finds sooner out that it is free again. A server that is
   * really far away has more time now and then.
   */
  #connectSoon(socket: Socket, attempt: number): void {
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

  #lost(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#reader.lost(this.#error ?? new Error('the other side closed the connection'));
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
