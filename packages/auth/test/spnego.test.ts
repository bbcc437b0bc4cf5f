import { isCarmineError } from '@carmine/errors';
import { fromHex, toHex } from '@carmine/testkit';
import { concatBytes, equalBytes } from '@carmine/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createSpnegoAcceptor,
  createSpnegoInitiator,
  ntlmAcceptorMechanism,
  ntlmInitiatorMechanism,
  type SpnegoContext,
  type SpnegoInitiator,
  type SpnegoMechanism,
} from '../src/index.ts';
import {
  decodeNegTokenInit,
  decodeNegTokenResp,
  encodeMechTypes,
  encodeNegTokenInit,
  encodeNegTokenResp,
} from '../src/spnego/tokens.ts';
import { caught, oneAccount, testEnvironment } from './support.ts';

const ntlm = '1.3.6.1.4.1.311.2.2.10';
const krb5 = '1.2.840.113554.1.2.2';
const msKrb5 = '1.2.840.48018.1.2.2';
const negoEx = '1.3.6.1.4.1.311.2.2.30';

const ntlmServer = ntlmAcceptorMechanism({
  accounts: oneAccount,
  environment: testEnvironment(1),
  hostName: 'files.example',
});

function ntlmClient(password = 'Pässw0rd'): SpnegoMechanism {
  return ntlmInitiatorMechanism({ credentials: { user: 'admin', password }, environment: testEnvironment(2) });
}

/** A mechanism that the other side does not know: its first token is all there ever is. */
function other(...oids: string[]): SpnegoMechanism {
  const refuse = (): never => {
    throw new Error('must not be called');
  };
  return {
    oids,
    recognises: () => false,
    create: () => ({ ...ntlmClient().create(), mechanism: 'kerberos', complete: false, step: refuse, unwrap: refuse }),
  };
}

/** Like `other`, with an optimistic token. */
function optimistic(...oids: string[]): SpnegoMechanism {
  const base = other(...oids);
  return { ...base, create: () => ({ ...base.create(), step: () => Uint8Array.of(0x6e, 0) }) };
}

const acceptor = (...mechanisms: SpnegoMechanism[]): SpnegoContext =>
  createSpnegoAcceptor({ mechanisms: mechanisms.length === 0 ? [ntlmServer] : mechanisms });
const initiator = (...mechanisms: SpnegoMechanism[]): SpnegoInitiator =>
  createSpnegoInitiator({ mechanisms: mechanisms.length === 0 ? [ntlmClient()] : mechanisms });

/** Passes tokens to and fro until nobody has one; returns them. `change` may alter the n-th. */
function run(
  client: SpnegoContext,
  server: SpnegoContext,
  change: (token: Uint8Array, index: number) => Uint8Array = (token) => token,
): Uint8Array[] {
  const tokens: Uint8Array[] = [];
  let token = client.step();
  for (let index = 0; token !== undefined; index++) {
    const sent: Uint8Array = change(token, index);
    tokens.push(sent);
    token = index % 2 === 0 ? server.step(sent) : client.step(sent);
  }
  return tokens;
}

describe('with NTLM as the first choice', () => {
  test('four tokens, MICs in both directions, sequence number 1 and a fresh key stream afterwards', () => {
    const [client, server] = [initiator(), acceptor()];
    const tokens = run(client, server);
    expect(tokens).toHaveLength(4);
    expect(decodeNegTokenInit(tokens[0]!).mechTypes).toEqual([ntlm]);
    expect(decodeNegTokenResp(tokens[1]!)).toMatchObject({ negState: 'accept-incomplete', supportedMech: ntlm });
    expect(decodeNegTokenResp(tokens[2]!)).toMatchObject({ negState: undefined, supportedMech: undefined });
    expect(decodeNegTokenResp(tokens[2]!).mechListMic).toHaveLength(16);
    expect(decodeNegTokenResp(tokens[3]!)).toMatchObject({ negState: 'accept-completed', supportedMech: undefined });
    expect(decodeNegTokenResp(tokens[3]!).mechListMic).toHaveLength(16);
    expect([client.complete, server.complete, server.chosen]).toEqual([true, true, 'ntlm']);
    expect(server.peer?.name).toBe('FILES\\admin');

    const text = new TextEncoder().encode('text');
    const sealed = client.wrap(text);
    expect(toHex(sealed.header.subarray(12))).toBe('01000000');
    expect(server.unwrap(sealed)).toEqual(text);
    expect(client.unwrap(server.wrap(text))).toEqual(text);
    const pdu = { header: text, body: text, trailer: text, headerSigning: true };
    const { body, token } = server.sealPdu(pdu);
    expect(client.openPdu({ ...pdu, body }, token)).toEqual(text);
    server.verifyPdu(pdu, client.signPdu(pdu));
    expect(client.pduTokenLength('privacy')).toBe(16);
    expect(client.sessionKey).toEqual(server.sessionKey);
  });

  test('a client that sends no MIC gets none, and numbers start at 0', () => {
    const [client, server] = [initiator(), acceptor()];
    const tokens: Uint8Array[] = [];
    let token = client.step();
    tokens.push(server.step(token)!);
    token = client.step(tokens[0]);
    const { responseToken } = decodeNegTokenResp(token!);
    const last = decodeNegTokenResp(server.step(encodeNegTokenResp({ negState: undefined, responseToken }))!);
    expect(last).toEqual({
      negState: 'accept-completed',
      supportedMech: undefined,
      responseToken: undefined,
      mechListMic: undefined,
    });
    expect(server.complete).toBe(true);
    expect(toHex(server.sign(new Uint8Array(0)).subarray(12))).toBe('00000000');
  });

  test('a NegTokenInit without a token is asked for one', () => {
    const server = acceptor();
    const answer = decodeNegTokenResp(server.step(encodeNegTokenInit(encodeMechTypes([ntlm, krb5]), undefined))!);
    expect(answer).toMatchObject({ negState: 'accept-incomplete', supportedMech: ntlm, responseToken: undefined });
  });

  test('raw NTLM is accepted and answered raw', () => {
    const server = acceptor();
    const client = ntlmClient().create();
    const challenge = server.step(client.step());
    expect(challenge?.subarray(0, 7)).toEqual(new TextEncoder().encode('NTLMSSP'));
    expect(server.step(client.step(challenge))).toBeUndefined();
    expect([server.complete, server.chosen, server.peer?.name]).toEqual([true, 'ntlm', 'FILES\\admin']);
    expect(toHex(server.sign(new Uint8Array(0)).subarray(12))).toBe('00000000');
  });

  test('a server that sends no last token is put up with, as there was no other choice', () => {
    const [client, server] = [initiator(), acceptor()];
    server.step(client.step(server.step(client.step())));
    expect(client.complete).toBe(false);
    client.concludeWithoutToken();
    expect(client.complete).toBe(true);
    client.concludeWithoutToken();
    expect(() => client.step(new Uint8Array(0))).toThrow(/over/);
    const early = initiator();
    early.step();
    expect(() => early.concludeWithoutToken()).toThrow(expect.objectContaining({ code: 'auth/protocol' }));
  });
});

describe('with NTLM as another choice', () => {
  test('the first choice is declined, the MIC asked for, and the exchange ends with MICs', () => {
    const [client, server] = [initiator(optimistic(msKrb5, krb5), other(negoEx), ntlmClient()), acceptor()];
    const tokens = run(client, server);
    expect(tokens).toHaveLength(6);
    expect(decodeNegTokenInit(tokens[0]!)).toMatchObject({ mechTypes: [msKrb5, krb5, negoEx, ntlm] });
    expect(decodeNegTokenResp(tokens[1]!)).toEqual({
      negState: 'request-mic',
      supportedMech: ntlm,
      responseToken: undefined,
      mechListMic: undefined,
    });
    expect(decodeNegTokenResp(tokens[3]!)).toMatchObject({ negState: 'accept-incomplete', supportedMech: undefined });
    expect(decodeNegTokenResp(tokens[5]!).negState).toBe('accept-completed');
    expect([client.complete, server.complete, client.chosen]).toEqual([true, true, 'ntlm']);
  });

  const offer = () => initiator(optimistic(krb5), ntlmClient());
  const withoutMic = (index: number) => (token: Uint8Array, at: number) =>
    at === index ? encodeNegTokenResp({ ...decodeNegTokenResp(token), mechListMic: undefined }) : token;
  const wrongMic = (index: number) => (token: Uint8Array, at: number) => {
    if (at !== index) return token;
    const answer = decodeNegTokenResp(token);
    answer.mechListMic![5]! ^= 1;
    return encodeNegTokenResp(answer);
  };
  const shorterList = (token: Uint8Array, at: number) => {
    if (at !== 0) return token;
    // A man in the middle takes the better mechanism away.
    return encodeNegTokenInit(encodeMechTypes([ntlm]), undefined);
  };
  test.each<[string, (token: Uint8Array, at: number) => Uint8Array, string]>([
    ['the client’s MIC is taken away', withoutMic(4), 'auth/policy'],
    ['the client’s MIC is changed', wrongMic(4), 'auth/bad-signature'],
    ['the server’s MIC is taken away', withoutMic(5), 'auth/policy'],
    ['the server’s MIC is changed', wrongMic(5), 'auth/bad-signature'],
    ['the list was shortened on its way', shorterList, 'auth/bad-signature'],
  ])('%s', (_, change, code) => {
    const client = offer();
    expect(caught(() => run(client, acceptor(), change))).toMatchObject({ code });
    expect(client.complete).toBe(false);
  });

  test('the list shortened and both MICs taken away: the client does not finish', () => {
    const client = offer();
    const attack = (token: Uint8Array, at: number) =>
      at === 0 ? shorterList(token, 0) : at >= 4 ? withoutMic(at)(token, at) : token;
    expect(caught(() => run(client, acceptor(), attack))).toMatchObject({ code: 'auth/policy' });
    const second = offer();
    const server = acceptor();
    server.step(second.step(server.step(second.step(server.step(second.step())))));
    expect(() => second.concludeWithoutToken()).toThrow(expect.objectContaining({ code: 'auth/protocol' }));
  });
});

describe('refused', () => {
  test('nothing in common', () => {
    expect(() => acceptor().step(encodeNegTokenInit(encodeMechTypes([krb5, negoEx]), undefined))).toThrow(
      expect.objectContaining({ code: 'auth/no-common-mechanism' }),
    );
    expect(() => createSpnegoInitiator({ mechanisms: [] })).toThrow(
      expect.objectContaining({ code: 'auth/no-common-mechanism' }),
    );
  });

  test('a wrong password, on both sides', () => {
    const [client, server] = [initiator(ntlmClient('wrong')), acceptor()];
    expect(() => run(client, server)).toThrow(expect.objectContaining({ code: 'auth/failed' }));
    expect([server.complete, server.peer, server.claimedName]).toEqual([false, undefined, 'admin']);
    expect(() => server.step(Uint8Array.of(0xa1, 0))).toThrow(/over/);
  });

  test('a server that rejects', () => {
    const client = initiator();
    client.step();
    expect(() => client.step(encodeNegTokenResp({ negState: 'reject' }))).toThrow(
      expect.objectContaining({ code: 'auth/failed' }),
    );
  });

  const inFirst = (answer: Parameters<typeof encodeNegTokenResp>[0]) => () => {
    const client = initiator();
    client.step();
    client.step(encodeNegTokenResp(answer));
  };
  test.each<[string, () => void]>([
    ['a choice that was not offered', inFirst({ negState: 'accept-incomplete', supportedMech: krb5 })],
    ['completion before the mechanism is done', inFirst({ negState: 'accept-completed', supportedMech: ntlm })],
    ['no token', inFirst({ negState: 'accept-incomplete', supportedMech: ntlm })],
    [
      'a MIC before its time',
      () => {
        const server = acceptor();
        const init = decodeNegTokenInit(initiator().step()!);
        server.step(encodeNegTokenInit(init.mechTypesDer, init.mechToken));
        server.step(encodeNegTokenResp({ negState: undefined, mechListMic: new Uint8Array(16) }));
      },
    ],
    [
      'no token where one is due',
      () => {
        const server = acceptor();
        server.step(initiator().step());
        server.step(encodeNegTokenResp({ negState: undefined }));
      },
    ],
    ['an answer in place of a beginning', () => void acceptor().step(encodeNegTokenResp({ negState: undefined }))],
    ['nothing at all', () => void acceptor().step()],
    ['a first token for the client', () => void initiator().step(Uint8Array.of(1))],
  ])('%s', (_, action) => {
    expect(caught(action)).toMatchObject({ code: 'auth/protocol', kind: 'remote' });
  });
});

describe('tokens', () => {
  test('as recorded by smbtorture (dcom.md 3.8)', () => {
    const negotiate = new Uint8Array(40).fill(7);
    const token = encodeNegTokenInit(encodeMechTypes([ntlm]), negotiate);
    expect(toHex(token)).toBe(`604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa22a0428${'07'.repeat(40)}`);
    const { mechToken, mechTypesDer } = decodeNegTokenInit(token);
    expect(mechToken).toEqual(negotiate);
    expect(toHex(mechTypesDer)).toBe('300c060a2b06010401823702020a');
  });

  test('more mechanisms than anybody has', () => {
    const token = encodeNegTokenInit(encodeMechTypes(Array.from({ length: 33 }, () => ntlm)), undefined);
    expect(() => decodeNegTokenInit(token)).toThrow(expect.objectContaining({ code: 'wire/limit' }));
    expect(caught(() => acceptor().step(token))).toMatchObject({ code: 'auth/protocol' });
  });

  // Found by fuzzing: such tokens were taken, and part of them was not looked at.
  test.each([
    ['octets behind a field, inside its tag', 'a10c 300a a208 0403616263 04017a', 'wire/trailing'],
    ['a field twice', 'a10e 300c a20404026162 a20404026364', 'wire/invalid'],
    ['fields in another order', 'a10c 300a a303040161 a0030a0101', 'wire/invalid'],
    ['something that is no field', 'a109 3007 a203040161 0500', 'wire/invalid'],
  ])('%s', (_, hex, code) => {
    const token = fromHex(hex.replaceAll(' ', ''));
    expect(() => decodeNegTokenResp(token)).toThrow(expect.objectContaining({ code }));
  });

  test('a mechListMIC under another tag is not skipped, and extensions are', () => {
    const token = encodeNegTokenResp({
      negState: undefined,
      responseToken: Uint8Array.of(1),
      mechListMic: Uint8Array.of(2),
    });
    const renamed = (tag: number) => token.map((octet) => (octet === 0xa3 ? tag : octet));
    expect(decodeNegTokenResp(renamed(0xa4))).toMatchObject({
      responseToken: Uint8Array.of(1),
      mechListMic: undefined,
    });
    for (const tag of [0xa0, 0xa1, 0xa2, 0x30, 0xc3]) {
      expect(() => decodeNegTokenResp(renamed(tag))).toThrow(expect.objectContaining({ code: 'wire/invalid' }));
    }
  });

  test('property: answers survive', () => {
    const octets = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined });
    const answers = fc.record({
      negState: fc.constantFrom('accept-completed', 'accept-incomplete', 'reject', 'request-mic', undefined),
      supportedMech: fc.constantFrom(ntlm, krb5, undefined),
      responseToken: octets,
      mechListMic: octets,
    });
    fc.assert(
      fc.property(answers, (answer) => {
        expect(decodeNegTokenResp(encodeNegTokenResp(answer))).toEqual(answer);
      }),
    );
  });

  test('property: any octets fail as the peer’s fault or a refusal, whole or changed', () => {
    const genuine = initiator().step()!;
    const changed = fc.array(fc.tuple(fc.nat(genuine.length - 1), fc.nat(255)), { maxLength: 3 }).map((changes) => {
      const bytes = genuine.slice();
      for (const [position, value] of changes) bytes[position] = value;
      return bytes;
    });
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 100 }), changed),
        fc.uint8Array({ maxLength: 60 }),
        (first, next) => {
          const server = acceptor();
          const client = initiator();
          client.step();
          for (const action of [
            () => server.step(first),
            () => server.step(concatBytes(Uint8Array.of(0xa1, next.length), next)),
            () => client.step(first),
          ]) {
            try {
              action();
            } catch (error) {
              if (!isCarmineError(error)) throw error;
              expect(['remote', 'refused']).toContain(error.kind);
            }
          }
          expect([server.complete, client.complete]).toEqual([false, false]);
        },
      ),
      { numRuns: 300 },
    );
    expect(equalBytes(genuine, initiator().step()!)).toBe(true);
  });
});
