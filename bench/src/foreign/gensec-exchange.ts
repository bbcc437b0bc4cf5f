import { randomBytes } from 'node:crypto';
import type { KerberosContext, SecurityContext } from '@carmine/auth';
import { decodeNegTokenResp } from '@carmine/auth/testing';
import { equalBytes } from '@carmine/wire';
import type { Gensec } from './gensec.ts';

export interface Tokens {
  readonly fromClient: Uint8Array[];
  readonly fromServer: Uint8Array[];
}

/** Samba as a client, ours as the server; returns what was sent. */
export async function accept(gensec: Gensec, server: SecurityContext): Promise<Tokens> {
  const tokens: Tokens = { fromClient: [], fromServer: [] };
  let answer: Uint8Array | undefined;
  for (let round = 0; round < maxRounds; round++) {
    const { finished, token } = await gensec.update(answer);
    if (finished && token === undefined) break;
    if (token === undefined) throw new Error('Samba sent nothing and is not finished');
    tokens.fromClient.push(token);
    answer = server.step(token);
    if (answer === undefined && finished) break;
    if (answer !== undefined) tokens.fromServer.push(answer);
  }
  if (!server.complete) throw new Error('the exchange did not complete');
  return tokens;
}

/** Ours as a client, Samba as the server. */
export async function initiate(gensec: Gensec, client: SecurityContext): Promise<void> {
  let finished = false;
  let token = client.step();
  for (let round = 0; token !== undefined && round < maxRounds; round++) {
    const answer = await gensec.update(token);
    finished = answer.finished;
    token = answer.token === undefined ? undefined : client.step(answer.token);
  }
  if (!finished || !client.complete) throw new Error('the exchange did not complete');
}

/** How a message of ours becomes one of Samba's and back. */
export interface Messages {
  seal(text: Uint8Array): Uint8Array;
  /** Throws for what was changed. */
  open(message: Uint8Array): Uint8Array;
}

/** Signature of 16 octets, then the text, encrypted or not. */
export function ntlmMessages(context: SecurityContext, seal: boolean): Messages {
  if (seal) {
    return {
      seal(text) {
        const { header, data } = context.wrap(text);
        return new Uint8Array(Buffer.concat([header, data]));
      },
      open: (message) => context.unwrap({ header: message.subarray(0, 16), data: message.subarray(16) }),
    };
  }
  return {
    seal: (text) => new Uint8Array(Buffer.concat([context.sign(text), text])),
    open(message) {
      context.verify(message.subarray(16), message.subarray(0, 16));
      return message.subarray(16);
    },
  };
}

export function kerberosMessages(context: KerberosContext): Messages {
  return { seal: (text) => context.wrapToken(text), open: (message) => context.unwrapToken(message) };
}

/** Messages of several lengths in both directions. */
export async function exchange(gensec: Gensec, messages: Messages): Promise<void> {
  for (const length of [1, 16, 1000, 60_000, 31]) {
    const text = new Uint8Array(randomBytes(length));
    if (!equalBytes(messages.open(await gensec.wrap(text)), text)) throw new Error('another text came from Samba');
    if (!equalBytes(await gensec.unwrap(messages.seal(text)), text)) throw new Error('Samba read another text');
  }
}

/** Signatures beside the text, in both directions. */
export async function signatures(gensec: Gensec, context: SecurityContext): Promise<void> {
  const text = new Uint8Array(randomBytes(100));
  context.verify(text, await gensec.sign(text));
  await gensec.check(text, context.sign(text));
}

/** A message of which one bit was changed is taken by neither side. Ours ends with it: nothing comes after. */
export async function mustRefuseChanges(gensec: Gensec, messages: Messages): Promise<void> {
  const text = new Uint8Array(randomBytes(100));
  const changed = (message: Uint8Array) => message.map((octet, i) => (i === message.length - 3 ? octet ^ 1 : octet));
  await mustFail(() => gensec.unwrap(changed(messages.seal(text))), /^samba: /);
  const fromSamba = changed(await gensec.wrap(text));
  await mustFail(async () => messages.open(fromSamba), /wrong signature|integrity check/);
}

/** Whether the client's last token and the server's have a mechListMIC. */
function micsOf({ fromClient, fromServer }: Tokens): readonly [client: boolean, server: boolean] {
  const has = (token: Uint8Array | undefined) =>
    token !== undefined && token[0] === 0xa1 && decodeNegTokenResp(token).mechListMic !== undefined;
  return [has(fromClient.at(-1)), has(fromServer.at(-1))];
}

export function mics(tokens: Tokens): string {
  const [client, server] = micsOf(tokens);
  return `mechListMIC of the client: ${client ? 'yes' : 'no'}, of the server: ${server ? 'yes' : 'no'}`;
}

export function mustHaveMics(tokens: Tokens): string {
  if (micsOf(tokens).includes(false)) throw new Error(mics(tokens));
  return mics(tokens);
}

export async function mustFail(work: () => Promise<unknown>, reason: RegExp): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (reason.test((error as Error).message)) return;
    throw error;
  }
  throw new Error('what had to be refused was accepted');
}

const maxRounds = 6;
