import { CarmineError } from '@carmine/errors';
import { ByteReader, decodeUtf16, encodeUtf16 } from '@carmine/wire';
import type { AttemptGate } from '../attempts.ts';
import { channelBindingHash } from '../channel-binding.ts';
import type { AccountLookup, AuthenticatedAccount, Environment } from '../context.ts';
import { claimedNameOf, findAccount } from '../credentials.ts';
import { equalSecrets } from '../crypto/digest.ts';
import { Rc4 } from '../crypto/rc4.ts';
import { netbiosName } from '../host-name.ts';
import type { MechanismContext } from '../pdu-protection.ts';
import { remoteFault } from '../remote-fault.ts';
import { type AvPair, avFlagMicPresent, avFlags, avIds, decodeAvPairs, encodeAvPairs, findAvPair } from './av-pairs.ts';
import { NtlmContext, ntlmPolicy, ntlmProtocol } from './context.ts';
import {
  combineFlags,
  hasFlag,
  missingRequirement,
  ntlmFlags,
  offerRequirements,
  unicodeRequirement,
} from './flags.ts';
import { fileTimeOf, messageIntegrityCode, ntOwfV2, ntProofStr, sessionBaseKey } from './keys.ts';
import {
  type AuthenticateMessage,
  decodeAuthenticate,
  decodeNegotiate,
  encodeChallenge,
  micLength,
  micOf,
  withMic,
} from './messages.ts';

export interface NtlmAcceptorOptions {
  readonly accounts: AccountLookup;
  readonly environment: Environment;
  /** Host name of this machine; its first label, in upper case, is the NetBIOS name in challenges. */
  readonly hostName: string;
  /** Of this connection, see tlsServerEndPoint. A peer that states another one is refused. */
  readonly channelBinding?: Uint8Array | undefined;
  /** Also refuses peers that state none. */
  readonly requireChannelBinding?: boolean | undefined;
  /**
   * True unless said otherwise. False lets in clients that never send a MIC (impacket, aiowmi); sensible only where every
   * message that follows is signed.
   */
  readonly requireMic?: boolean | undefined;
  /**
   * No message on this connection will be signed or sealed: clients that offer neither 128-bit keys, nor key exchange, nor a
   * MIC (curl, for one) may log on; what they do offer is checked. NTLMv2 and the channel binding are insisted on as ever.
   */
  readonly authenticationOnly?: boolean | undefined;
  /** Remote address, for `attempts`. */
  readonly source?: string | undefined;
  readonly attempts?: AttemptGate | undefined;
}

/**
 * NTLMv2 as a server, [MS-NLMP] 3.2. One challenge serves one attempt. NTLMv1, LM, anonymous logons and anything less
 * than 128-bit extended session security with key exchange are `auth/policy`; a wrong user and a wrong password are both
 * `auth/failed`, after the same work.
 */
export function createNtlmAcceptor(options: NtlmAcceptorOptions): MechanismContext {
  return new NtlmAcceptor(options);
}

interface Exchange {
  readonly negotiate: Uint8Array;
  readonly challenge: Uint8Array;
  readonly serverChallenge: Uint8Array;
}

/** What an NTLMv2 response carries, [MS-NLMP] 2.2.2.7 and 2.2.2.8. */
interface NtlmV2Response {
  readonly proof: Uint8Array;
  readonly temp: Uint8Array;
  readonly time: bigint;
  readonly pairs: readonly AvPair[];
}

class NtlmAcceptor extends NtlmContext {
  readonly #options: NtlmAcceptorOptions;
  #exchange: Exchange | undefined;
  #finished = false;
  #peer: AuthenticatedAccount | undefined;
  #claimedName: string | undefined;

  constructor(options: NtlmAcceptorOptions) {
    super();
    if (options.requireChannelBinding === true && options.channelBinding === undefined) {
      throw new CarmineError('usage/invalid', {
        context: { reason: 'channel binding is required but this listener has none' },
      });
    }
    this.#options = options;
  }

  get #required() {
    return this.#options.authenticationOnly === true
      ? offerRequirements.authenticationOnly
      : offerRequirements.protection;
  }

  get peer(): AuthenticatedAccount | undefined {
    return this.#peer;
  }

  get claimedName(): string | undefined {
    return this.#claimedName;
  }

  step(input?: Uint8Array): Uint8Array | undefined {
    if (this.#finished) throw ntlmProtocol('the exchange is over');
    if (input === undefined) throw ntlmProtocol('a token is missing');
    const exchange = this.#exchange;
    if (exchange === undefined) {
      this.#finished = true;
      const challenge = remoteFault('ntlm', () => this.#challenge(input));
      this.#finished = false;
      return challenge;
    }
    this.#finished = true;
    remoteFault('ntlm', () => this.#authenticate(exchange, input));
    return undefined;
  }

  #challenge(input: Uint8Array): Uint8Array {
    const { flags } = decodeNegotiate(input);
    const { environment, hostName } = this.#options;
    const missing = missingRequirement(flags, this.#required);
    if (missing !== undefined) throw ntlmPolicy(`the client does not offer ${missing}`);
    const serverChallenge = environment.randomBytes(8);
    const challenge = encodeChallenge({
      // Names in an unknown code page would be guesswork: every client known to offer no Unicode speaks it when told to.
      flags: combineFlags(flags & grantedFlags, impliedFlags, ntlmFlags.unicode),
      targetName: encodeUtf16(netbiosName(hostName)),
      serverChallenge,
      targetInfo: encodeAvPairs(targetInfo(hostName, environment.now())),
    });
    this.#exchange = { negotiate: input.slice(), challenge, serverChallenge };
    return challenge;
  }

  #authenticate(exchange: Exchange, input: Uint8Array): void {
    const message = decodeAuthenticate(input);
    const missing = missingRequirement(message.flags, [unicodeRequirement, ...this.#required]);
    if (missing !== undefined) throw ntlmPolicy(`the client gave up ${missing}`);
    const user = decodeUtf16(message.user, 'UserName');
    const domain = decodeUtf16(message.domain, 'DomainName');
    if (user === '' || hasFlag(message.flags, ntlmFlags.anonymous)) throw ntlmPolicy('anonymous logon');
    this.#claimedName = claimedNameOf(user, domain);
    // All that does not depend on the account comes first, so that it tells nothing about the account.
    const response = readResponse(message.ntResponse);
    const mic = this.#checkPolicy(response, input);

    const { accounts, attempts, environment, source = '' } = this.#options;
    const attempted = this.#claimedName.toLowerCase();
    if (attempts?.allow(source, attempted) === false) throw new CarmineError('auth/throttled');
    const account = findAccount(accounts, user, domain);
    // An account that does not exist costs the same work and ends the same way.
    const ntHash = account?.ntHash ?? environment.randomBytes(16);
    const baseKey = proveBaseKey(ntHash, user, domain, exchange.serverChallenge, response);
    const sessionKey = exportedSessionKey(baseKey, message);
    const micRight = mic === undefined || equalSecrets(mic, this.#expectedMic(sessionKey, exchange, input));
    const succeeded = account !== undefined && baseKey !== undefined && micRight;
    attempts?.report(source, attempted, succeeded);
    if (!succeeded) throw new CarmineError('auth/failed');

    this.establish(sessionKey, message.flags, 'server-to-client', 'client-to-server');
    this.#peer = { name: account.name, userSid: account.userSid, groupSids: account.groupSids };
  }

  /** Returns the MIC to check; undefined when the message has none and needs none. */
  #checkPolicy(response: NtlmV2Response, input: Uint8Array): Uint8Array | undefined {
    const { authenticationOnly, channelBinding, environment, requireChannelBinding } = this.#options;
    const requireMic = this.#options.requireMic ?? authenticationOnly !== true;
    const stated = findAvPair(response.pairs, avIds.channelBindings);
    const isStated = stated?.some((byte) => byte !== 0) === true;
    if (requireChannelBinding === true && !isStated) throw ntlmPolicy('channel binding is missing');
    if (channelBinding !== undefined && isStated && !equalSecrets(stated, channelBindingHash(channelBinding))) {
      throw ntlmPolicy('channel binding is for another connection');
    }

    const age = fileTimeOf(environment.now()) - response.time;
    if (age > maxLifetime || age < -maxLifetime) throw ntlmPolicy('the clocks differ by more than 36 hours');

    if (hasFlag(avFlags(response.pairs), avFlagMicPresent)) {
      const mic = micOf(input);
      if (mic === undefined) throw ntlmProtocol('the MIC is announced but not there');
      return mic;
    }
    if (requireMic) throw ntlmPolicy('the client sends no MIC');
    return undefined;
  }

  #expectedMic(sessionKey: Uint8Array, exchange: Exchange, input: Uint8Array): Uint8Array {
    const zeroed = withMic(input, new Uint8Array(micLength));
    return messageIntegrityCode(sessionKey, exchange.negotiate, exchange.challenge, zeroed);
  }
}

/** NTLMv1 and LM have 24 octets; an NTLMv2 response has at least 16 of proof, 28 fixed ones and the end of the list. */
function readResponse(ntResponse: Uint8Array): NtlmV2Response {
  if (ntResponse.length <= 24) throw ntlmPolicy('not an NTLMv2 response');
  const reader = new ByteReader(ntResponse, { what: 'NTLMv2 response' });
  const proof = reader.take(16);
  const temp = ntResponse.subarray(16);
  if (reader.u8() !== 1 || reader.u8() !== 1) throw reader.invalid('unknown version');
  reader.skip(6);
  const time = reader.u64();
  reader.skip(8 + 4);
  return { proof, temp, time, pairs: decodeAvPairs(reader.take(reader.remaining)) };
}

/**
 * SessionBaseKey when the proof is right, else undefined. [MS-NLMP] 3.2.5.1.2: on a mismatch the server tries again with
 * an empty domain. Both are always computed.
 */
function proveBaseKey(
  ntHash: Uint8Array,
  user: string,
  domain: string,
  serverChallenge: Uint8Array,
  { proof, temp }: NtlmV2Response,
): Uint8Array | undefined {
  let baseKey: Uint8Array | undefined;
  for (const candidate of ['', domain]) {
    const responseKey = ntOwfV2(ntHash, user, candidate);
    const expected = ntProofStr(responseKey, serverChallenge, temp);
    const key = sessionBaseKey(responseKey, expected);
    if (equalSecrets(expected, proof)) baseKey = key;
  }
  return baseKey;
}

/** [MS-NLMP] 3.2.5.1.2. With a wrong password the result is worthless, and computed all the same. */
function exportedSessionKey(baseKey: Uint8Array | undefined, message: AuthenticateMessage): Uint8Array {
  const keyExchangeKey = baseKey ?? new Uint8Array(16);
  if (message.encryptedSessionKey.length === 16) return new Rc4(keyExchangeKey).apply(message.encryptedSessionKey);
  // A client that asked for neither signing nor sealing exchanges no key.
  if (message.encryptedSessionKey.length === 0 && !hasFlag(message.flags, ntlmFlags.sign | ntlmFlags.seal)) {
    return keyExchangeKey;
  }
  throw ntlmProtocol('the session key does not have 16 octets');
}

/** UNSPECIFIED: [MS-NLMP] leaves a stand-alone server's domain names open; they are the computer's own, as on Windows. */
function targetInfo(hostName: string, now: number): readonly AvPair[] {
  const netbios = encodeUtf16(netbiosName(hostName));
  const dns = encodeUtf16(hostName.toLowerCase());
  const timestamp = new Uint8Array(8);
  new DataView(timestamp.buffer).setBigUint64(0, fileTimeOf(now), true);
  return [
    { id: avIds.netbiosDomainName, value: netbios },
    { id: avIds.netbiosComputerName, value: netbios },
    { id: avIds.dnsDomainName, value: dns },
    { id: avIds.dnsComputerName, value: dns },
    { id: avIds.timestamp, value: timestamp },
  ];
}

/** 36 hours in FILETIME units: MaxLifetime of Windows. */
const maxLifetime = 36n * 3_600n * 10_000_000n;

/** Given when asked for. */
const grantedFlags = combineFlags(
  ntlmFlags.unicode,
  ntlmFlags.sign,
  ntlmFlags.seal,
  ntlmFlags.extendedSessionSecurity,
  ntlmFlags.identify,
  ntlmFlags.version,
  ntlmFlags.key128,
  ntlmFlags.keyExchange,
  ntlmFlags.key56,
);

/** Given in any case, [MS-NLMP] 3.2.5.1.1. */
const impliedFlags = combineFlags(
  ntlmFlags.requestTarget,
  ntlmFlags.ntlm,
  ntlmFlags.alwaysSign,
  ntlmFlags.targetTypeServer,
  ntlmFlags.targetInfo,
);
