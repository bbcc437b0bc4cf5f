import { isCarmineError } from '@carmine/errors';
import { describe, expect, it } from 'vitest';
import { createNtlmAcceptor, type NtlmAcceptorOptions, ntOwfV1 } from '../src/index.ts';

/** Recorded on loopback: `curl 7.88.1 --ntlm -u admin:Secret-1x` against Carmine's URL server. */
const negotiate = 'TlRMTVNTUAABAAAABoIIAAAAAAAAAAAAAAAAAAAAAAA=';
const serverChallenge = Buffer.from('5a8e862a667b2143', 'hex');
const authenticate =
  'TlRMTVNTUAADAAAAGAAYAEAAAABgAGAAWAAAAAAAAAC4AAAACgAKALgAAAAWABYAwgAAAAAAAAAAAAAABYKKACY7Qdfn4Q7+cFBBVCag0PQAB68qroC/+94KX4wmalvYdNnScrteniQBAQAAAAAAAAB3RsnEet0BAAevKq6Av/sAAAAAAgAEAFYATQABAAQAVgBNAAQABAB2AG0AAwAEAHYAbQAHAAgA0IJvycR63QEAAAAAAAAAAGEAZABtAGkAbgBXAE8AUgBLAFMAVABBAFQASQBPAE4A';
const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));

function acceptor(changes: Partial<NtlmAcceptorOptions> = {}) {
  return createNtlmAcceptor({
    hostName: 'vm',
    accounts: (user) =>
      user === 'admin'
        ? { name: 'VM\\admin', userSid: 'S-1-5-21-1-2-3-1000', groupSids: [], ntHash: ntOwfV1('Secret-1x') }
        : undefined,
    environment: {
      now: () => Date.UTC(2026, 10, 22, 21, 2, 30),
      randomBytes: (length) => (length === 8 ? new Uint8Array(serverChallenge) : new Uint8Array(length)),
    },
    ...changes,
  });
}

describe('NTLM for authentication only', () => {
  it('accepts what curl sends: no Unicode offered, no 128-bit keys, no key exchange, no MIC', () => {
    const context = acceptor({ authenticationOnly: true });
    const challenge = context.step(bytes(negotiate));
    // NTLMSSP_NEGOTIATE_UNICODE is told to the client, whatever it offered.
    expect(new DataView(challenge!.buffer, challenge!.byteOffset).getUint32(20, true) & 1).toBe(1);
    expect(context.step(bytes(authenticate))).toBeUndefined();
    expect(context.complete).toBe(true);
    expect(context.peer?.name).toBe('VM\\admin');
  });

  it('refuses the same client where messages are sealed', () => {
    expect(() => acceptor().step(bytes(negotiate))).toThrow(expect.objectContaining({ code: 'auth/policy' }));
  });

  it('still refuses a wrong password, and any flipped bit of the response', () => {
    const wrong = acceptor({
      authenticationOnly: true,
      accounts: (user) => ({ name: user, userSid: 'S-1-5-21-1-2-3-1000', groupSids: [], ntHash: ntOwfV1('other') }),
    });
    wrong.step(bytes(negotiate));
    expect(() => wrong.step(bytes(authenticate))).toThrow(expect.objectContaining({ code: 'auth/failed' }));
    // The NT response with everything that its proof covers: octets 0x58 to 0xb8.
    for (let octet = 0x58; octet < 0xb8; octet++) {
      const context = acceptor({ authenticationOnly: true });
      context.step(bytes(negotiate));
      const message = bytes(authenticate);
      message[octet]! ^= 1;
      expect(() => context.step(message), `octet ${octet}`).toThrow(expect.toSatisfy(isCarmineError));
      expect(context.complete).toBe(false);
    }
  });

  it('still insists on the channel binding where one is required', () => {
    const context = acceptor({
      authenticationOnly: true,
      requireChannelBinding: true,
      channelBinding: new Uint8Array([1]),
    });
    context.step(bytes(negotiate));
    expect(() => context.step(bytes(authenticate))).toThrow(expect.objectContaining({ code: 'auth/policy' }));
  });
});
