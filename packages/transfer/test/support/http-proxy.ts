import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse, request as send } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { createHttpAcceptor, type HttpAcceptor, type KerberosService } from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import { admin } from './protect.ts';

/** How a proxy asks who one is: for `user:password` with Basic or Digest, or for `admin` of `protect.ts` with the others. */
export type ProxyLogon =
  | { readonly scheme: 'basic'; readonly credentials: string }
  | { readonly scheme: 'digest'; readonly credentials: string; readonly algorithm: 'MD5' | 'SHA-256' }
  | { readonly scheme: 'ntlm' | 'negotiate'; readonly kerberos?: KerberosService | undefined };

/** A proxy on loopback: absolute-form and CONNECT, with or without a logon. */
export class TestProxy {
  /** What was asked for, in order: `GET http://…`, `CONNECT host:port`. */
  readonly asked: string[] = [];
  readonly seen: IncomingMessage['headers'][] = [];
  /** Who was let in with NTLM or Negotiate, and how; how many were not, or not yet. */
  readonly admitted: string[] = [];
  refused = 0;
  connections = 0;
  /** Of the answer to CONNECT. */
  tunnelStatus = 200;
  readonly #logon: ProxyLogon | undefined;
  readonly #acceptors = new WeakMap<object, HttpAcceptor>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(logon: ProxyLogon | undefined) {
    this.#logon = logon;
    this.#server = createServer((request, response) => this.#forward(request, response));
    this.#server.on('connect', (request: IncomingMessage, socket: Socket) => this.#tunnel(request, socket));
    this.#server.on('connection', (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket.on('error', () => undefined));
    });
  }

  static async start(logon?: ProxyLogon): Promise<TestProxy> {
    const proxy = new TestProxy(logon);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** What the client is to answer to; undefined: it is let in. */
  #challenge(request: IncomingMessage): readonly string[] | undefined {
    this.asked.push(`${request.method} ${request.url}`);
    this.seen.push(request.headers);
    const challenges = this.#logon === undefined ? undefined : this.#judge(this.#logon, request);
    if (challenges !== undefined) this.refused++;
    return challenges;
  }

  #judge(logon: ProxyLogon, request: IncomingMessage): readonly string[] | undefined {
    const given = request.headers['proxy-authorization'];
    switch (logon.scheme) {
      case 'basic':
        return given === `Basic ${Buffer.from(logon.credentials).toString('base64')}` ? undefined : ['Basic realm="p"'];
      case 'digest': {
        const hash = logon.algorithm === 'MD5' ? 'md5' : 'sha256';
        return isDigest(logon.credentials, hash, given, request)
          ? undefined
          : [`Digest realm="p", qop="auth", nonce="${nonce}", algorithm=${logon.algorithm}`];
      }
      case 'ntlm':
      case 'negotiate': {
        const outcome = this.#acceptor(logon, request.socket).authenticate(given);
        if (outcome.kind !== 'accepted') return outcome.headers;
        this.admitted.push(`${outcome.token.name} ${outcome.token.scheme}`);
        return undefined;
      }
    }
  }

  #acceptor(
    { scheme, kerberos }: ProxyLogon & { readonly scheme: 'ntlm' | 'negotiate' },
    socket: Socket,
  ): HttpAcceptor {
    let acceptor = this.#acceptors.get(socket);
    if (acceptor === undefined) {
      acceptor = createHttpAcceptor({
        schemes: [scheme],
        accounts: (user) => (/^admin(@|$)/i.test(user) ? admin : undefined),
        environment: systemEnvironment,
        hostName: 'proxy',
        realm: 'proxy',
        source: '127.0.0.1',
        secureTransport: false,
        kerberos,
      });
      this.#acceptors.set(socket, acceptor);
    }
    return acceptor;
  }

  #forward(request: IncomingMessage, response: ServerResponse): void {
    const challenges = this.#challenge(request);
    if (challenges !== undefined) {
      response.writeHead(407, { 'proxy-authenticate': [...challenges], 'content-length': 4 }).end('who?');
      return;
    }
    const { 'proxy-authorization': _, ...headers } = request.headers;
    const onward = send(request.url ?? '', { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    onward.end();
  }

  #tunnel(request: IncomingMessage, socket: Socket): void {
    const challenges = this.#challenge(request);
    if (challenges !== undefined) {
      const lines = challenges.map((challenge) => `Proxy-Authenticate: ${challenge}\r\n`).join('');
      socket.write(`HTTP/1.1 407 Who?\r\n${lines}Content-Length: 4\r\n\r\nwho?`);
      // Node has handed the connection over: what comes next is ours to read.
      socket.once('data', (data: Buffer) => this.#again(data, socket));
      return;
    }
    if (this.tunnelStatus !== 200) {
      socket.end(`HTTP/1.1 ${this.tunnelStatus} No\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    const [host, port] = (request.url ?? '').split(':');
    const onward = connect(Number(port), host === 'localhost' ? '127.0.0.1' : host, () => {
      socket.write('HTTP/1.1 200 Established\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    this.#sockets.add(onward.on('error', () => socket.destroy()));
    socket.on('close', () => onward.destroy());
  }

  /** Another CONNECT on the same connection; one request is one piece here. */
  #again(data: Buffer, socket: Socket): void {
    const [line = '', ...lines] = data.toString('latin1').split('\r\n');
    const [method, url] = line.split(' ');
    const headers = Object.fromEntries(
      lines
        .filter((text) => text !== '')
        .map((text) => [text.slice(0, text.indexOf(':')).toLowerCase(), text.slice(text.indexOf(':') + 2)]),
    );
    this.#tunnel({ method, url, headers, socket } as unknown as IncomingMessage, socket);
  }
}

/** RFC 7616, section 3.4, with `qop=auth`. The URI must be the one that was asked for. */
function isDigest(
  credentials: string,
  algorithm: string,
  given: string | undefined,
  request: IncomingMessage,
): boolean {
  const fields = new Map(
    [...(given ?? '').matchAll(/(\w+)=(?:"([^"]*)"|([^\s,]+))/g)].map(([, name, a, b]) => [name, a ?? b]),
  );
  const hash = (text: string) => createHash(algorithm).update(text).digest('hex');
  const [user, password] = credentials.split(':');
  const a1 = hash(`${user}:p:${password}`);
  const a2 = hash(`${request.method}:${request.url}`);
  const parts = [a1, nonce, fields.get('nc'), fields.get('cnonce'), 'auth', a2];
  return fields.get('uri') === request.url && fields.get('response') === hash(parts.join(':'));
}

const nonce = 'dcd98b7102dd2f0e8b11d0f600bfb0c0';
