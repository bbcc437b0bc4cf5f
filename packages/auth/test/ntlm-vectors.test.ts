import { fromHex, toHex } from '@carmine/testkit';
import { concatBytes, encodeUtf16, equalBytes } from '@carmine/wire';
import { describe, expect, test } from 'vitest';
import { Rc4 } from '../src/crypto/rc4.ts';
import { createNtlmAcceptor, createNtlmInitiator, ntOwfV1 } from '../src/index.ts';
import { decodeAvPairs, encodeAvPairs, findAvPair } from '../src/ntlm/av-pairs.ts';
import {
  clientChallengeBlob,
  messageIntegrityCode,
  ntOwfV2,
  ntProofStr,
  sealKey,
  sessionBaseKey,
  signKey,
} from '../src/ntlm/keys.ts';
import {
  decodeAuthenticate,
  decodeChallenge,
  decodeNegotiate,
  micLength,
  micOf,
  withMic,
} from '../src/ntlm/messages.ts';
import { NtlmChannel } from '../src/ntlm/sealing.ts';
import { decodeNegTokenInit, decodeNegTokenResp } from '../src/spnego/tokens.ts';
import { golden } from './support.ts';

interface NlmpVectors {
  common: Record<
    'user' | 'domain' | 'password' | 'random_session_key' | 'client_challenge' | 'server_challenge' | 'plaintext',
    string
  >;
  ntlmv2_4_2_4: Record<
    | 'ntowfv2'
    | 'session_base_key'
    | 'temp'
    | 'nt_proof_str'
    | 'encrypted_random_session_key'
    | 'challenge_message'
    | 'authenticate_message'
    | 'client_seal_key'
    | 'client_sign_key'
    | 'sealed'
    | 'signature',
    string
  >;
  ntlmv1_4_2_2: Record<'ntowfv1' | 'challenge_message' | 'authenticate_message', string>;
}

describe('[MS-NLMP] 4.2.4, NTLMv2', () => {
  const { common, ntlmv2_4_2_4: v2, ntlmv1_4_2_2: v1 } = golden<NlmpVectors>('nlmp-vectors.json');
  const sessionKey = fromHex(common.random_session_key);

  test('NTOWFv1 and NTOWFv2', () => {
    expect(toHex(ntOwfV1(common.password))).toBe(v1.ntowfv1);
    expect(toHex(ntOwfV2(ntOwfV1(common.password), common.user, common.domain))).toBe(v2.ntowfv2);
  });

  test('response and session keys', () => {
    const pairs = encodeAvPairs([
      { id: 2, value: encodeUtf16('Domain') },
      { id: 1, value: encodeUtf16('Server') },
    ]);
    expect(toHex(clientChallengeBlob(0n, fromHex(common.client_challenge), pairs))).toBe(v2.temp);
    const key = fromHex(v2.ntowfv2);
    const proof = ntProofStr(key, fromHex(common.server_challenge), fromHex(v2.temp));
    expect(toHex(proof)).toBe(v2.nt_proof_str);
    expect(toHex(sessionBaseKey(key, proof))).toBe(v2.session_base_key);
    expect(toHex(new Rc4(fromHex(v2.session_base_key)).apply(sessionKey))).toBe(v2.encrypted_random_session_key);
  });

  test('signing, sealing and the sealed message', () => {
    expect(toHex(signKey(sessionKey, 'client-to-server'))).toBe(v2.client_sign_key);
    expect(toHex(sealKey(sessionKey, 'client-to-server'))).toBe(v2.client_seal_key);
    const none = new Uint8Array(0);
    const message = { header: none, body: fromHex(common.plaintext), trailer: none };
    const sealed = new NtlmChannel(sessionKey, 'client-to-server').seal(message);
    expect(toHex(sealed.body)).toBe(v2.sealed);
    expect(toHex(sealed.signature)).toBe(v2.signature);
    const opened = new NtlmChannel(sessionKey, 'client-to-server').open(
      { ...message, body: sealed.body },
      sealed.signature,
    );
    expect(toHex(opened)).toBe(common.plaintext);
  });

  test('messages', () => {
    const challenge = decodeChallenge(fromHex(v2.challenge_message));
    expect(toHex(challenge.serverChallenge)).toBe(common.server_challenge);
    expect(challenge.targetName).toEqual(encodeUtf16('Server'));
    expect(decodeAvPairs(challenge.targetInfo).map(({ id }) => id)).toEqual([2, 1]);
    const authenticate = decodeAuthenticate(fromHex(v2.authenticate_message));
    expect(authenticate.user).toEqual(encodeUtf16(common.user));
    expect(authenticate.domain).toEqual(encodeUtf16(common.domain));
    expect(toHex(authenticate.ntResponse)).toBe(v2.nt_proof_str + v2.temp);
    expect(toHex(authenticate.encryptedSessionKey)).toBe(v2.encrypted_random_session_key);
  });

  test('the NTLMv1 and NTLMv2 messages of 4.2 are refused: no MIC, no NTLMv2, wrong flags', () => {
    for (const { challenge_message, authenticate_message } of [v1, v2]) {
      const acceptor = createNtlmAcceptor({
        accounts: () => ({ name: 'User', userSid: 'S-1-5-21-1', groupSids: [], ntHash: ntOwfV1(common.password) }),
        environment: { now: () => -11_644_473_600_000, randomBytes: () => fromHex(common.server_challenge) },
        hostName: 'Server',
      });
      const negotiate = createNtlmInitiator({
        credentials: { user: 'u', password: 'p' },
        environment: { now: () => 0, randomBytes: (length) => new Uint8Array(length) },
      }).step();
      acceptor.step(negotiate);
      expect(challenge_message).toMatch(/^4e544c4d/);
      expect(() => acceptor.step(fromHex(authenticate_message))).toThrow(
        expect.objectContaining({ code: 'auth/policy', kind: 'refused' }),
      );
      expect(acceptor.complete).toBe(false);
    }
  });
});

interface Recording {
  user: string;
  domain: string;
  password: string;
  connections: {
    auth_type: number;
    auth_level: number;
    first_seq: number;
    exported_session_key: string;
    server_challenge: string;
    client_sign_key: string;
    server_sign_key: string;
    pdus: { dir: 'c2s' | 's2c'; hex: string; stub_plain?: string }[];
  }[];
}

const recording = golden<Recording>('rpc-ntlm-samba.json');

describe.each(
  recording.connections.map((connection) => [connection.auth_type, connection.auth_level, connection] as const),
)('recorded between rpcclient and Samba: type %i, level %i', (type, level, connection) => {
  const pdus = connection.pdus.map(({ dir, hex, stub_plain }) => ({ dir, plain: stub_plain, ...split(fromHex(hex)) }));
  const handshake = pdus.filter(({ plain }) => plain === undefined).map(({ token }) => token);
  const sessionKey = fromHex(connection.exported_session_key);

  test('the exchange: names, proof, session key and MIC', () => {
    const spnego = type === 9;
    const [first, second, third, last] = handshake as [Uint8Array, Uint8Array, Uint8Array, Uint8Array | undefined];
    const negotiate = spnego ? decodeNegTokenInit(first).mechToken! : first;
    const challengeBytes = spnego ? decodeNegTokenResp(second).responseToken! : second;
    const authenticateBytes = spnego ? decodeNegTokenResp(third).responseToken! : third;
    expect(decodeNegotiate(negotiate).flags).toBe(level === 6 ? 0x62088235 : 0x62088215);
    const challenge = decodeChallenge(challengeBytes);
    expect(toHex(challenge.serverChallenge)).toBe(connection.server_challenge);

    const message = decodeAuthenticate(authenticateBytes);
    expect(message.user).toEqual(encodeUtf16(recording.user));
    const responseKey = ntOwfV2(ntOwfV1(recording.password), recording.user, recording.domain);
    const proof = ntProofStr(responseKey, challenge.serverChallenge, message.ntResponse.subarray(16));
    expect(proof).toEqual(message.ntResponse.slice(0, 16));
    const exported = new Rc4(sessionBaseKey(responseKey, proof)).apply(message.encryptedSessionKey);
    expect(exported).toEqual(sessionKey);
    const zeroed = withMic(authenticateBytes, new Uint8Array(micLength));
    expect(messageIntegrityCode(exported, negotiate, challengeBytes, zeroed)).toEqual(micOf(authenticateBytes));
    const pairs = decodeAvPairs(message.ntResponse.subarray(16 + 28));
    expect(toHex(findAvPair(pairs, 6)!)).toBe('02000000');

    if (spnego) {
      const { mechTypesDer } = decodeNegTokenInit(first);
      expect(new NtlmChannel(sessionKey, 'client-to-server').signMechanismList(mechTypesDer)).toEqual(
        decodeNegTokenResp(third).mechListMic,
      );
      expect(new NtlmChannel(sessionKey, 'server-to-client').signMechanismList(mechTypesDer)).toEqual(
        decodeNegTokenResp(last!).mechListMic,
      );
    }
  });

  test('every PDU: our signature is the recorded one, and the recorded one verifies', () => {
    expect(toHex(signKey(sessionKey, 'client-to-server'))).toBe(connection.client_sign_key);
    expect(toHex(signKey(sessionKey, 'server-to-client'))).toBe(connection.server_sign_key);
    const channels = () => {
      const pair = {
        c2s: new NtlmChannel(sessionKey, 'client-to-server'),
        s2c: new NtlmChannel(sessionKey, 'server-to-client'),
      };
      // SPNEGO's MICs have used up number 0.
      if (connection.first_seq === 1)
        for (const channel of Object.values(pair)) channel.signMechanismList(new Uint8Array(0));
      return pair;
    };
    const senders = channels();
    const receivers = channels();
    const protectedPdus = pdus.filter(({ plain }) => plain !== undefined);
    expect(protectedPdus).toHaveLength(14);
    for (const { dir, header, body, trailer, token, plain } of protectedPdus) {
      const message = { header, body, trailer };
      if (level === 5) {
        expect(senders[dir].sign(message)).toEqual(token);
        receivers[dir].verify(message, token);
        expect(equalBytes(body.slice(0, plain!.length / 2), fromHex(plain!))).toBe(true);
      } else {
        const opened = receivers[dir].open(message, token);
        expect(toHex(opened.subarray(0, plain!.length / 2))).toBe(plain);
        const sealed = senders[dir].seal({ header, body: opened, trailer });
        expect(sealed.body).toEqual(body);
        expect(sealed.signature).toEqual(token);
      }
    }
  });
});

test('joining the parts of a recorded PDU gives the PDU', () => {
  const whole = fromHex(recording.connections[0]!.pdus[3]!.hex);
  const { header, body, trailer, token } = split(whole);
  expect(concatBytes(header, body, trailer, token)).toEqual(whole);
});

/** header (16 + 8) | body | sec_trailer (8) | token; bind and its kin have no such split, their token is at the end all the same. */
function split(pdu: Uint8Array): { header: Uint8Array; body: Uint8Array; trailer: Uint8Array; token: Uint8Array } {
  const tokenLength = pdu[10]! | (pdu[11]! << 8);
  const end = pdu.length - tokenLength;
  return {
    header: pdu.slice(0, 24),
    body: pdu.slice(24, end - 8),
    trailer: pdu.slice(end - 8, end),
    token: pdu.slice(end),
  };
}
