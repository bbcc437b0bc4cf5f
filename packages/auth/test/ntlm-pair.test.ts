import { isCarmineError } from '@carmine/errors';
import { concatBytes, encodeUtf16 } from '@carmine/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Rc4 } from '../src/crypto/rc4.ts';
import {
  createNtlmAcceptor,
  createNtlmInitiator,
  type MechanismContext,
  type NtlmAcceptorOptions,
  type NtlmInitiatorOptions,
} from '../src/index.ts';
import { avIds, decodeAvPairs, encodeAvPairs } from '../src/ntlm/av-pairs.ts';
import { ntlmFlags } from '../src/ntlm/flags.ts';
import {
  clientChallengeBlob,
  fileTimeOf,
  messageIntegrityCode,
  ntOwfV2,
  ntProofStr,
  sessionBaseKey,
} from '../src/ntlm/keys.ts';
import {
  decodeChallenge,
  encodeAuthenticate,
  encodeChallenge,
  encodeNegotiate,
  isNtlmMessage,
  micLength,
  micOffset,
  withMic,
} from '../src/ntlm/messages.ts';
import { admin, caught, oneAccount, testEnvironment } from './support.ts';

const hour = 3_600_000;

function acceptorWith(changes: Partial<NtlmAcceptorOptions> = {}): MechanismContext {
  return createNtlmAcceptor({
    accounts: oneAccount,
    environment: testEnvironment(1),
    hostName: 'files.example',
    ...changes,
  });
}

function initiatorWith(changes: Partial<NtlmInitiatorOptions> = {}): MechanismContext {
  return createNtlmInitiator({
    credentials: { user: 'admin', password: 'Pässw0rd' },
    environment: testEnvironment(2),
    targetName: 'HTTP/files.example',
    ...changes,
  });
}

/** Runs the exchange; each message may be changed on its way. */
function exchange(
  initiator: MechanismContext,
  acceptor: MechanismContext,
  tamper: { [K in 'negotiate' | 'challenge' | 'authenticate']?: (message: Uint8Array) => Uint8Array } = {},
): void {
  const same = (message: Uint8Array) => message;
  const negotiate = (tamper.negotiate ?? same)(initiator.step()!.slice());
  const challenge = (tamper.challenge ?? same)(acceptor.step(negotiate)!.slice());
  acceptor.step((tamper.authenticate ?? same)(initiator.step(challenge)!.slice()));
}

/** Clears flags in the message at the offset of its flags field. */
function clearFlags(offset: number, flags: number): (message: Uint8Array) => Uint8Array {
  return (message) => {
    const view = new DataView(message.buffer, message.byteOffset);
    view.setUint32(offset, (view.getUint32(offset, true) & ~flags) >>> 0, true);
    return message;
  };
}

function flip(offset: number): (message: Uint8Array) => Uint8Array {
  return (message) => {
    message[offset]! ^= 1;
    return message;
  };
}

describe('NTLMv2, initiator and acceptor', () => {
  test.each([
    { user: 'admin', password: 'Pässw0rd' },
    { user: 'ADMIN', password: 'Pässw0rd', domain: 'FILES' },
    { user: 'ANYWHERE\\admin', password: 'Pässw0rd' },
    { user: 'admin@files.example', password: 'Pässw0rd' },
  ])('authenticates $user', (credentials) => {
    const [initiator, acceptor] = [initiatorWith({ credentials }), acceptorWith()];
    exchange(initiator, acceptor);
    expect([initiator.complete, acceptor.complete]).toEqual([true, true]);
    expect(acceptor.peer).toEqual({ name: admin.name, userSid: admin.userSid, groupSids: admin.groupSids });
    expect(initiator.peer).toBeUndefined();
    expect(initiator.sessionKey).toEqual(acceptor.sessionKey);
  });

  test('a proof computed with an empty domain is right whatever domain is sent', () => {
    // [MS-NLMP] 3.2.5.1.2. The MIC is made anew, as a client with this habit would make it.
    const [initiator, acceptor] = [initiatorWith(), acceptorWith()];
    const negotiate = initiator.step()!;
    const challenge = acceptor.step(negotiate)!;
    const message = initiator.step(challenge)!;
    const longer = withMic(concatBytes(message, Uint8Array.of(0x58, 0, 0x59, 0)), new Uint8Array(micLength));
    new DataView(longer.buffer).setUint16(28, 4, true);
    new DataView(longer.buffer).setUint32(32, message.length, true);
    acceptor.step(withMic(longer, messageIntegrityCode(initiator.sessionKey, negotiate, challenge, longer)));
    expect([acceptor.complete, acceptor.claimedName]).toEqual([true, 'XY\\admin']);
  });

  test('a client that never sends a MIC is let in only where that is allowed', () => {
    for (const requireMic of [undefined, true, false]) {
      const acceptor = acceptorWith({ requireMic });
      const challenge = decodeChallenge(acceptor.step(encodeNegotiate({ flags: 0xe088_8235 }))!);
      const responseKey = ntOwfV2(admin.ntHash, 'admin', '');
      const time = fileTimeOf(Date.UTC(2026, 0, 1));
      const temp = clientChallengeBlob(time, new Uint8Array(8).fill(0xaa), challenge.targetInfo);
      const proof = ntProofStr(responseKey, challenge.serverChallenge, temp);
      const sessionKey = new Uint8Array(16).fill(0x55);
      const message = encodeAuthenticate({
        flags: 0xe088_8235,
        lmResponse: new Uint8Array(24),
        ntResponse: concatBytes(proof, temp),
        domain: new Uint8Array(0),
        user: encodeUtf16('admin'),
        workstation: new Uint8Array(0),
        encryptedSessionKey: new Rc4(sessionBaseKey(responseKey, proof)).apply(sessionKey),
      });
      if (requireMic === false) acceptor.step(message);
      else expect(() => acceptor.step(message)).toThrow(/sends no MIC/);
      expect(acceptor.complete).toBe(requireMic === false);
    }
  });

  test('the challenge names the machine and the time, and grants only what was asked for', () => {
    const challenge = decodeChallenge(acceptorWith().step(initiatorWith({ signOnly: true }).step())!);
    const pairs = decodeAvPairs(challenge.targetInfo);
    expect(pairs.map(({ id }) => id)).toEqual([2, 1, 4, 3, 7]);
    expect(new TextDecoder('utf-16le').decode(pairs[1]!.value)).toBe('FILES');
    expect(new TextDecoder('utf-16le').decode(pairs[3]!.value)).toBe('files.example');
    expect(challenge.flags & ntlmFlags.seal).toBe(0);
    expect(challenge.flags & ntlmFlags.key56).toBe(0);
    expect(challenge.flags & ntlmFlags.key128).not.toBe(0);
  });

  test.each([
    ['wrong password', { credentials: { user: 'admin', password: 'pässw0rd' } }],
    ['empty password', { credentials: { user: 'admin', password: '' } }],
    ['unknown user', { credentials: { user: 'root', password: 'Pässw0rd' } }],
  ])('%s fails, and only fails', (_, changes) => {
    const acceptor = acceptorWith();
    const error = caught(() => exchange(initiatorWith(changes), acceptor));
    expect(error).toMatchObject({ code: 'auth/failed', kind: 'refused', message: 'authentication failed' });
    expect([acceptor.complete, acceptor.peer]).toEqual([false, undefined]);
    expect(() => acceptor.sessionKey).toThrow(expect.objectContaining({ code: 'auth/required' }));
  });

  test('anonymous is refused', () => {
    const credentials = { user: '', password: '' };
    expect(() => exchange(initiatorWith({ credentials }), acceptorWith())).toThrow(/anonymous/);
    const claimAnonymous = clearFlags(60, 0);
    const setAnonymous = (message: Uint8Array) => {
      message[61]! |= 0x08;
      return claimAnonymous(message);
    };
    expect(() => exchange(initiatorWith(), acceptorWith(), { authenticate: setAnonymous })).toThrow(/anonymous/);
  });
});

describe('tampering', () => {
  test.each<[string, Parameters<typeof exchange>[2], string]>([
    ['the MIC', { authenticate: flip(micOffset) }, 'auth/failed'],
    ['the negotiated flags', { negotiate: clearFlags(12, ntlmFlags.seal) }, 'auth/failed'],
    ['the granted flags', { challenge: clearFlags(20, ntlmFlags.seal) }, 'auth/failed'],
    ['the final flags', { authenticate: clearFlags(60, ntlmFlags.seal) }, 'auth/failed'],
    ['the server challenge', { challenge: flip(24) }, 'auth/failed'],
    ['the proof', { authenticate: (m) => flip(new DataView(m.buffer).getUint32(24, true))(m) }, 'auth/failed'],
    ['the session key', { authenticate: (m) => flip(new DataView(m.buffer).getUint32(56, true))(m) }, 'auth/failed'],
    ['the version, which only the MIC covers', { authenticate: flip(64) }, 'auth/failed'],
    ['128-bit keys asked away', { negotiate: clearFlags(12, ntlmFlags.key128) }, 'auth/policy'],
    ['extended security asked away', { negotiate: clearFlags(12, ntlmFlags.extendedSessionSecurity) }, 'auth/policy'],
    ['key exchange asked away', { negotiate: clearFlags(12, ntlmFlags.keyExchange) }, 'auth/policy'],
    // Not insisted on in NEGOTIATE; that it was taken away is what the MIC is for.
    ['Unicode asked away', { negotiate: clearFlags(12, ntlmFlags.unicode) }, 'auth/failed'],
    ['128-bit keys not granted', { challenge: clearFlags(20, ntlmFlags.key128) }, 'auth/policy'],
    ['extended security not granted', { challenge: clearFlags(20, ntlmFlags.extendedSessionSecurity) }, 'auth/policy'],
    ['128-bit keys given up', { authenticate: clearFlags(60, ntlmFlags.key128) }, 'auth/policy'],
    ['extended security given up', { authenticate: clearFlags(60, ntlmFlags.extendedSessionSecurity) }, 'auth/policy'],
    ['key exchange given up', { authenticate: clearFlags(60, ntlmFlags.keyExchange) }, 'auth/policy'],
    ['the announcement of the MIC', { authenticate: withoutMicFlag }, 'auth/policy'],
    ['a message cut before its MIC', { authenticate: (message) => message.slice(0, 70) }, 'auth/protocol'],
  ])('%s', (_, tamper, code) => {
    const acceptor = acceptorWith();
    expect(caught(() => exchange(initiatorWith(), acceptor, tamper))).toMatchObject({ code });
    expect(acceptor.complete).toBe(false);
    // One challenge serves one attempt.
    expect(() => acceptor.step(new Uint8Array(0))).toThrow(expect.objectContaining({ code: 'auth/protocol' }));
  });

  test('taking the announcement of the MIC away breaks the proof, even where none is required', () => {
    const acceptor = acceptorWith({ requireMic: false });
    expect(() => exchange(initiatorWith(), acceptor, { authenticate: withoutMicFlag })).toThrow(
      expect.objectContaining({ code: 'auth/failed' }),
    );
  });

  test('a message of one exchange does not fit another', () => {
    let recorded = new Uint8Array(0);
    exchange(initiatorWith(), acceptorWith(), {
      authenticate: (message) => {
        recorded = message.slice();
        return message;
      },
    });
    const acceptor = acceptorWith({ environment: testEnvironment(99) });
    expect(() => exchange(initiatorWith(), acceptor, { authenticate: () => recorded })).toThrow(
      expect.objectContaining({ code: 'auth/failed' }),
    );
  });

  test('NTLMv1 and LM responses are refused', () => {
    const shortened = (length: number) => (message: Uint8Array) => {
      new DataView(message.buffer).setUint16(20, length, true);
      return message;
    };
    for (const length of [0, 16, 24]) {
      expect(() => exchange(initiatorWith(), acceptorWith(), { authenticate: shortened(length) })).toThrow(/NTLMv2/);
    }
  });
});

describe('time', () => {
  // Without a timestamp in the challenge the client's own clock counts.
  const noTimestamp = (message: Uint8Array) => {
    const challenge = decodeChallenge(message);
    const pairs = decodeAvPairs(challenge.targetInfo).filter(({ id }) => id !== avIds.timestamp);
    return encodeChallenge({ ...challenge, targetInfo: encodeAvPairs(pairs) });
  };
  test.each([
    [0, 'auth/failed'],
    [35 * hour, 'auth/failed'],
    [-35 * hour, 'auth/failed'],
    [37 * hour, 'auth/policy'],
    [-37 * hour, 'auth/policy'],
  ])('a client whose clock is %i ms off', (offset, code) => {
    // Within the window it is the MIC that notices the changed challenge.
    const environment = testEnvironment(2, Date.UTC(2026, 0, 1) + offset);
    expect(
      caught(() => exchange(initiatorWith({ environment }), acceptorWith(), { challenge: noTimestamp })),
    ).toMatchObject({
      code,
    });
  });

  test('the server’s timestamp is used when there is one', () => {
    const environment = testEnvironment(2, 0);
    const acceptor = acceptorWith();
    exchange(initiatorWith({ environment }), acceptor);
    expect(acceptor.complete).toBe(true);
  });
});

describe('the initiator', () => {
  test('refuses a server that does not name itself', () => {
    const nameless = (message: Uint8Array) =>
      encodeChallenge({ ...decodeChallenge(message), targetInfo: encodeAvPairs([]) });
    expect(() => exchange(initiatorWith(), acceptorWith(), { challenge: nameless })).toThrow(/name itself/);
  });

  test('wants its turns in order', () => {
    expect(() => initiatorWith().step(Uint8Array.of(1))).toThrow(expect.objectContaining({ code: 'auth/protocol' }));
    const initiator = initiatorWith();
    initiator.step();
    expect(() => initiator.step()).toThrow(/no challenge/);
    expect(() => initiator.step()).toThrow(/over/);
  });
});

describe('protection', () => {
  const ready = (changes: Partial<NtlmInitiatorOptions> = {}) => {
    const [client, server] = [initiatorWith(changes), acceptorWith()];
    exchange(client, server);
    return { client, server };
  };
  const text = new TextEncoder().encode('Plaintext');

  test('a sealed message is not the text, and comes back as it was', () => {
    const { client, server } = ready();
    const sealed = client.wrap(text);
    expect(sealed.header).toHaveLength(16);
    expect(sealed.data).toHaveLength(text.length);
    expect(sealed.data).not.toEqual(text);
    expect(server.unwrap(sealed)).toEqual(text);
    expect(client.unwrap(server.wrap(new Uint8Array(0)))).toHaveLength(0);
  });

  test.each<[string, (client: MechanismContext, server: MechanismContext) => void]>([
    [
      'changed data',
      (client, server) => {
        const sealed = client.wrap(text);
        server.unwrap({ ...sealed, data: flip(0)(sealed.data) });
      },
    ],
    [
      'changed signature',
      (client, server) => {
        const sealed = client.wrap(text);
        server.unwrap({ ...sealed, header: flip(5)(sealed.header) });
      },
    ],
    ['short signature', (client, server) => void server.unwrap({ ...client.wrap(text), header: new Uint8Array(3) })],
    [
      'replay',
      (client, server) => {
        const sealed = client.wrap(text);
        server.unwrap(sealed);
        server.unwrap(sealed);
      },
    ],
    [
      'lost message',
      (client, server) => {
        client.wrap(text);
        server.unwrap(client.wrap(text));
      },
    ],
    ['reflection', (client) => void client.unwrap(client.wrap(text))],
    ['changed signed bytes', (client, server) => server.verify(flip(0)(text.slice()), client.sign(text))],
    [
      'changed PDU header',
      (client, server) => {
        const pdu = { header: text, body: text, trailer: text, headerSigning: false };
        server.verifyPdu({ ...pdu, header: flip(0)(text.slice()) }, client.signPdu(pdu));
      },
    ],
  ])('%s is noticed, and the context is unusable then', (_, attack) => {
    const { client, server } = ready();
    expect(() => attack(client, server)).toThrow(
      expect.objectContaining({ code: 'auth/bad-signature', kind: 'remote' }),
    );
    expect([client.complete, server.complete]).toContain(false);
    const broken = client.complete ? server : client;
    expect(() => broken.sign(text)).toThrow(expect.objectContaining({ code: 'auth/required' }));
  });

  test('PDUs: header and trailer are signed, the body is encrypted', () => {
    const { client, server } = ready();
    const pdu = { header: Uint8Array.of(1, 2), body: text, trailer: Uint8Array.of(3), headerSigning: true };
    const { body, token } = client.sealPdu(pdu);
    expect(token).toHaveLength(client.pduTokenLength('privacy'));
    expect(server.openPdu({ ...pdu, body }, token)).toEqual(text);
    server.verifyPdu(pdu, client.signPdu(pdu));
    client.verifyPdu(pdu, server.signPdu(pdu));
  });

  test('sealing needs to be agreed on', () => {
    const { client, server } = ready({ signOnly: true });
    server.verify(text, client.sign(text));
    expect(() => client.wrap(text)).toThrow(expect.objectContaining({ code: 'auth/policy' }));
    expect(() => server.unwrap({ header: new Uint8Array(16), data: text })).toThrow(/not negotiated/);
  });

  test('nothing is protected before the exchange is complete', () => {
    for (const context of [initiatorWith(), acceptorWith()]) {
      expect(() => context.sign(text)).toThrow(expect.objectContaining({ code: 'auth/required' }));
      expect(() => context.wrap(text)).toThrow(expect.objectContaining({ code: 'auth/required' }));
    }
  });
});

describe('attempts are gated and reported', () => {
  test('by source and claimed name, known or not', () => {
    const seen: string[] = [];
    const attempts = {
      allow: (source: string, account: string) => {
        seen.push(`? ${source} ${account}`);
        return !account.includes('blocked');
      },
      report: (source: string, account: string, succeeded: boolean) =>
        void seen.push(`${succeeded} ${source} ${account}`),
    };
    const attempt = (user: string, password: string) => {
      const acceptor = acceptorWith({ attempts, source: '192.0.2.1' });
      exchange(initiatorWith({ credentials: { user, password } }), acceptor);
    };
    attempt('Admin', 'Pässw0rd');
    expect(() => attempt('Admin', 'x')).toThrow(expect.objectContaining({ code: 'auth/failed' }));
    expect(() => attempt('HOST\\Nobody', 'x')).toThrow(expect.objectContaining({ code: 'auth/failed' }));
    expect(() => attempt('blocked', 'x')).toThrow(expect.objectContaining({ code: 'auth/throttled' }));
    expect(seen).toEqual([
      '? 192.0.2.1 admin',
      'true 192.0.2.1 admin',
      '? 192.0.2.1 admin',
      'false 192.0.2.1 admin',
      '? 192.0.2.1 host\\nobody',
      'false 192.0.2.1 host\\nobody',
      '? 192.0.2.1 blocked',
    ]);
  });
});

describe('property', () => {
  const remote = (action: () => unknown) => {
    try {
      action();
    } catch (error) {
      if (!isCarmineError(error)) throw error;
      expect(['remote', 'refused']).toContain(error.kind);
      return;
    }
  };

  test('any octets in place of any message fail as the peer’s fault or its refusal', () => {
    const negotiate = encodeNegotiate({ flags: 0x6208_8235 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(0, 1, 2, 3), (tail, type) => {
        const input = type === 0 ? tail : Uint8Array.of(...negotiate.subarray(0, 8), type, 0, 0, 0, ...tail);
        expect(isNtlmMessage(input) || type === 0).toBe(true);
        remote(() => acceptorWith().step(input));
        const acceptor = acceptorWith();
        acceptor.step(negotiate);
        remote(() => acceptor.step(input));
        expect(acceptor.complete).toBe(false);
        const initiator = initiatorWith();
        initiator.step();
        remote(() => initiator.step(input));
      }),
      { numRuns: 300 },
    );
  });

  test('one octet changed anywhere in AUTHENTICATE never lets anybody in', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (position, change) => {
        const acceptor = acceptorWith();
        remote(() =>
          exchange(initiatorWith(), acceptor, {
            authenticate: (message) => {
              message[position % message.length]! ^= change;
              return message;
            },
          }),
        );
        expect(acceptor.complete).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test('AV pairs survive', () => {
    const pair = fc.record({ id: fc.integer({ min: 11, max: 0xffff }), value: fc.uint8Array({ maxLength: 20 }) });
    fc.assert(
      fc.property(fc.uniqueArray(pair, { selector: ({ id }) => id, maxLength: 8 }), (pairs) => {
        expect(decodeAvPairs(encodeAvPairs(pairs))).toEqual(pairs);
      }),
    );
  });
});

/** Sets MsvAvFlags to 0. */
function withoutMicFlag(message: Uint8Array): Uint8Array {
  const view = new DataView(message.buffer, message.byteOffset);
  const start = view.getUint32(24, true) + 16 + 28;
  for (let offset = start; ; offset += 4 + view.getUint16(offset + 2, true)) {
    const id = view.getUint16(offset, true);
    if (id === avIds.endOfList) throw new Error('no flags');
    if (id === avIds.flags) {
      view.setUint32(offset + 4, 0, true);
      return message;
    }
  }
}
