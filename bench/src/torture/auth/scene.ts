import {
  createNtlmInitiator,
  createSpnegoInitiator,
  type MechanismContext,
  type PasswordCredentials,
  type SecurityContext,
  type SpnegoMechanism,
} from '@carmine/auth';
import { systemEnvironment } from '@carmine/auth/node';
import { isCarmineError } from '@carmine/errors';
import type { SeededRandom } from '@carmine/testkit';
import { equalBytes } from '@carmine/wire';
import { sealFrame } from '../../sealed-frame.ts';
import type { Door } from './doors.ts';
import { closed, type Line, type LineAnswer, type LineRequest } from './line.ts';

/** What a man in the middle does to the messages of an exchange; what is absent passes unchanged. */
export interface Tampering {
  readonly negotiate?: ((message: Uint8Array) => Uint8Array) | undefined;
  readonly challenge?: ((message: Uint8Array) => Uint8Array) | undefined;
  readonly authenticate?: ((message: Uint8Array, challenge: Uint8Array) => Uint8Array) | undefined;
}

export interface LogonOptions {
  readonly credentials: PasswordCredentials;
  /** That of the door unless given. */
  readonly binding?: Uint8Array | 'none' | undefined;
  readonly tampering?: Tampering | undefined;
  /** The last message goes here, and its answer comes from here. */
  readonly lastTo?: Line | undefined;
}

/** How an exchange went. */
export interface Logon {
  readonly line: Line;
  /** To the last message; `closed` when the client itself refused to go on. */
  readonly answer: LineAnswer;
  readonly context: SecurityContext;
  /** Authorization values that were sent. */
  readonly sent: readonly string[];
}

/** One attack or control at one door: opens connections, acts on them, counts what was allowed to act. */
export class Scene {
  readonly door: Door;
  readonly random: SeededRandom;
  /** Valid actions so far. */
  acted = 0;
  readonly #action: Uint8Array;
  readonly #content: Uint8Array;
  readonly #lines: Line[] = [];

  constructor(door: Door, random: SeededRandom, action: Uint8Array, content: Uint8Array) {
    this.door = door;
    this.random = random;
    this.#action = action;
    this.#content = content;
  }

  async open(): Promise<Line> {
    const line = await this.door.open();
    this.#lines.push(line);
    return line;
  }

  close(): void {
    for (const line of this.#lines) line.close();
  }

  /** The request that would act, as far as a caller without keys can send it. */
  bare(authorization?: string): LineRequest {
    if (this.door.service === 'data') return { authorization };
    return { authorization, contentType: 'application/soap+xml;charset=UTF-8', body: this.#action };
  }

  sealed(context: SecurityContext) {
    return sealFrame(context, this.#action);
  }

  /** The request that acts for whoever has this context. */
  request(context: SecurityContext): LineRequest {
    return this.door.service === 'management' && !this.door.secure ? this.sealed(context) : this.bare();
  }

  /** Raw NTLM, without SPNEGO around it. */
  async ntlm(line: Line, options: LogonOptions): Promise<Logon> {
    const { tampering = {}, lastTo = line } = options;
    const context = this.ntlmClient(options);
    const { scheme } = this.door;
    const send = async (message: Uint8Array | undefined, to: Line) => {
      const authorization = `${scheme} ${Buffer.from(message ?? []).toString('base64')}`;
      sent.push(authorization);
      return to.ask({ authorization });
    };
    const sent: string[] = [];
    const negotiate = context.step() ?? new Uint8Array(0);
    const first = await send(tampering.negotiate?.(negotiate) ?? negotiate, line);
    const challenge = tokenIn(first, scheme);
    if (challenge === undefined) return { line, answer: first, context, sent };
    let authenticate: Uint8Array | undefined;
    try {
      authenticate = context.step(tampering.challenge?.(challenge) ?? challenge);
    } catch (error) {
      if (!isCarmineError(error)) throw error;
      return { line, answer: closed, context, sent };
    }
    const message = tampering.authenticate?.(authenticate ?? new Uint8Array(0), challenge) ?? authenticate;
    return { line: lastTo, answer: await send(message, lastTo), context, sent };
  }

  /** SPNEGO; `tamper` gets each of the client's tokens with its number. */
  async spnego(
    line: Line,
    mechanisms: readonly SpnegoMechanism[],
    tamper: (token: Uint8Array, leg: number) => Uint8Array = (token) => token,
  ): Promise<Logon> {
    const context = createSpnegoInitiator({ mechanisms });
    const sent: string[] = [];
    let answer: LineAnswer = closed;
    let token = context.step();
    for (let leg = 0; token !== undefined; leg++) {
      const authorization = `Negotiate ${Buffer.from(tamper(token, leg)).toString('base64')}`;
      sent.push(authorization);
      answer = await line.ask({ authorization });
      const next = tokenIn(answer, 'Negotiate');
      if (answer.status === 401 && next === undefined) break;
      try {
        token = next === undefined ? undefined : context.step(next);
      } catch (error) {
        if (!isCarmineError(error)) throw error;
        break;
      }
    }
    return { line, answer, context, sent };
  }

  /** A mechanism's tokens without SPNEGO around them. */
  async raw(line: Line, mechanism: SpnegoMechanism): Promise<Logon> {
    const context = mechanism.create();
    const sent: string[] = [];
    let answer: LineAnswer = closed;
    for (let token = context.step(); token !== undefined; ) {
      const authorization = `Negotiate ${Buffer.from(token).toString('base64')}`;
      sent.push(authorization);
      answer = await line.ask({ authorization });
      const next = tokenIn(answer, 'Negotiate');
      if (next === undefined) break;
      try {
        token = context.step(next);
      } catch (error) {
        if (!isCarmineError(error)) throw error;
        break;
      }
    }
    return { line, answer, context, sent };
  }

  ntlmClient({ credentials, binding = this.door.binding }: LogonOptions): MechanismContext {
    return createNtlmInitiator({
      credentials,
      environment: systemEnvironment,
      targetName: 'WSMAN/localhost',
      channelBinding: binding === 'none' ? undefined : binding,
    });
  }

  /** A logon that must succeed. */
  async logOn(line: Line, credentials: PasswordCredentials, tampering?: Tampering): Promise<Logon> {
    const logon = await this.ntlm(line, { credentials, tampering });
    this.mustSucceed(logon.answer, 'a valid logon');
    return logon;
  }

  /** An action that must succeed, and is counted. */
  async act(line: Line, request: LineRequest): Promise<void> {
    const answer = await line.ask(request);
    this.mustSucceed(answer, 'a valid action');
    if (this.door.service === 'management') {
      if (answer.body.length === 0) throw new Error('a valid action has no answer');
      this.acted++;
    }
  }

  /** Reading the file is an action; it comes with the answer to the last message of the logon. */
  mustSucceed(answer: LineAnswer, what: string): void {
    if (answer.status !== 200) throw new Error(`${what} got status ${answer.status} at ${this.door.name}`);
    if (this.door.service !== 'data') return;
    if (!equalBytes(answer.body, this.#content)) throw new Error(`${what} got something else than the file`);
    this.acted++;
  }
}

function tokenIn({ wwwAuthenticate }: LineAnswer, scheme: string): Uint8Array | undefined {
  const value = wwwAuthenticate.find((header) => header.startsWith(`${scheme} `));
  return value === undefined ? undefined : Uint8Array.from(Buffer.from(value.slice(scheme.length + 1), 'base64'));
}
