import { concatBytes, encodeUtf16 } from '@carmine/wire';
import { channelBindingHash } from '../channel-binding.ts';
import type { Environment, PasswordCredentials } from '../context.ts';
import { splitUserName } from '../credentials.ts';
import { Rc4 } from '../crypto/rc4.ts';
import type { MechanismContext } from '../pdu-protection.ts';
import { remoteFault } from '../remote-fault.ts';
import { type AvPair, avFlagMicPresent, avFlags, avIds, decodeAvPairs, encodeAvPairs, findAvPair } from './av-pairs.ts';
import { NtlmContext, ntlmPolicy, ntlmProtocol } from './context.ts';
import { combineFlags, missingRequirement, ntlmFlags, offerRequirements, unicodeRequirement } from './flags.ts';
import {
  clientChallengeBlob,
  fileTimeOf,
  messageIntegrityCode,
  ntOwfV1,
  ntOwfV2,
  ntProofStr,
  sessionBaseKey,
} from './keys.ts';
import { decodeChallenge, encodeAuthenticate, encodeNegotiate, withMic } from './messages.ts';

export interface NtlmInitiatorOptions {
  readonly credentials: PasswordCredentials;
  readonly environment: Environment;
  /** Service principal name, `HTTP/host`; sent so that the server can refuse what was meant for another. */
  readonly targetName?: string | undefined;
  /** See tlsServerEndPoint. */
  readonly channelBinding?: Uint8Array | undefined;
  /** Name of this machine, sent for the server's records; empty unless given. */
  readonly workstation?: string | undefined;
  /** Asks for signatures only, as RPC does at level PKT_INTEGRITY; sealing is asked for otherwise. */
  readonly signOnly?: boolean | undefined;
}

/**
 * NTLMv2 as a client, [MS-NLMP] 3.1: NEGOTIATE, then AUTHENTICATE with a MIC. The server must agree to extended session
 * security, 128-bit keys and key exchange; the LM response is always 24 zero octets.
 */
export function createNtlmInitiator(options: NtlmInitiatorOptions): MechanismContext {
  return new NtlmInitiator(options);
}

class NtlmInitiator extends NtlmContext {
  readonly peer = undefined;
  readonly claimedName = undefined;
  readonly #options: NtlmInitiatorOptions;
  #negotiate: Uint8Array | undefined;
  #finished = false;

  constructor(options: NtlmInitiatorOptions) {
    super();
    this.#options = options;
  }

  step(input?: Uint8Array): Uint8Array | undefined {
    if (this.#finished) throw ntlmProtocol('the exchange is over');
    if (this.#negotiate === undefined) {
      if (input !== undefined && input.length > 0) throw ntlmProtocol('a token came before the first one was sent');
      this.#negotiate = encodeNegotiate({ flags: this.#requestedFlags() });
      return this.#negotiate;
    }
    this.#finished = true;
    if (input === undefined) throw ntlmProtocol('the server sent no challenge');
    const negotiate = this.#negotiate;
    return remoteFault('ntlm', () => this.#authenticate(negotiate, input));
  }

  #requestedFlags(): number {
    return this.#options.signOnly === true ? baseFlags : combineFlags(baseFlags, ntlmFlags.seal);
  }

  #authenticate(negotiate: Uint8Array, input: Uint8Array): Uint8Array {
    const { credentials, environment, workstation } = this.#options;
    const challenge = decodeChallenge(input);
    const missing = missingRequirement(challenge.flags, [unicodeRequirement, ...offerRequirements.protection]);
    if (missing !== undefined) throw ntlmPolicy(`the server does not offer ${missing}`);
    const offered = decodeAvPairs(challenge.targetInfo);
    // [MS-NLMP] 3.1.5.1.2: with integrity, a challenge without both NetBIOS names is a logon failure.
    for (const id of [avIds.netbiosComputerName, avIds.netbiosDomainName]) {
      if (findAvPair(offered, id) === undefined) throw ntlmPolicy('the server does not name itself');
    }

    const { user, domain } = splitUserName(credentials);
    const responseKey = ntOwfV2(ntOwfV1(credentials.password), user, domain);
    const timestamp = findAvPair(offered, avIds.timestamp);
    const time = timestamp === undefined ? fileTimeOf(environment.now()) : readFileTime(timestamp);
    const temp = clientChallengeBlob(time, environment.randomBytes(8), encodeAvPairs(this.#answeredPairs(offered)));
    const proof = ntProofStr(responseKey, challenge.serverChallenge, temp);
    const exportedSessionKey = environment.randomBytes(16);
    const flags = (this.#requestedFlags() & challenge.flags) >>> 0;
    const message = encodeAuthenticate({
      flags,
      lmResponse: new Uint8Array(24),
      ntResponse: concatBytes(proof, temp),
      domain: encodeUtf16(domain),
      user: encodeUtf16(user),
      workstation: encodeUtf16(workstation ?? ''),
      encryptedSessionKey: new Rc4(sessionBaseKey(responseKey, proof)).apply(exportedSessionKey),
    });
    this.establish(exportedSessionKey, flags, 'client-to-server', 'server-to-client');
    return withMic(message, messageIntegrityCode(exportedSessionKey, negotiate, input, message));
  }

  /** The server's pairs, with ours in place of those that only a client may state. */
  #answeredPairs(offered: readonly AvPair[]): readonly AvPair[] {
    const { channelBinding, targetName } = this.#options;
    const own: AvPair[] = [
      { id: avIds.flags, value: u32((avFlags(offered) | avFlagMicPresent) >>> 0) },
      {
        id: avIds.channelBindings,
        value: channelBinding === undefined ? new Uint8Array(16) : channelBindingHash(channelBinding),
      },
      { id: avIds.targetName, value: encodeUtf16(targetName ?? '') },
    ];
    return [...offered.filter(({ id }) => !own.some((pair) => pair.id === id)), ...own];
  }
}

function u32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value, true);
  return out;
}

function readFileTime(value: Uint8Array): bigint {
  return new DataView(value.buffer, value.byteOffset, 8).getBigUint64(0, true);
}

const baseFlags = combineFlags(
  ntlmFlags.unicode,
  ntlmFlags.requestTarget,
  ntlmFlags.sign,
  ntlmFlags.ntlm,
  ntlmFlags.alwaysSign,
  ntlmFlags.extendedSessionSecurity,
  ntlmFlags.targetInfo,
  ntlmFlags.version,
  ntlmFlags.key128,
  ntlmFlags.keyExchange,
);
