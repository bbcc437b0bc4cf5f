import {
  createSpnegoAcceptor,
  createSpnegoInitiator,
  ntlmAcceptorMechanism,
  ntlmInitiatorMechanism,
  type SpnegoContext,
  type SpnegoInitiator,
  type SpnegoMechanism,
} from '@carmine/auth';
import { CarmineError } from '@carmine/errors';
import { BrokenPromise, type FuzzSeed, type FuzzTarget, largestToken, remoteOrRefused } from '../target.ts';
import { fuzzAccounts, fuzzEnvironment, fuzzPassword, fuzzUser } from './accounts.ts';

/** Both sides at every step, with NTLM as the first choice (one round less) and as the second (with mechListMIC). */
export function spnegoTarget(): FuzzTarget {
  const seeds: FuzzSeed[] = [];
  for (const [name, mechanisms] of [
    ['first choice', [ntlm]],
    ['second choice', [other, ntlm]],
  ] as const) {
    const messages = exchange(mechanisms);
    messages.forEach((input, step) => {
      const toServer = step % 2 === 0;
      seeds.push({
        name: `spnego ${name}, message ${step + 1} to the ${toServer ? 'server' : 'client'}`,
        input,
        feed(changed) {
          const [client, server] = [newInitiator(mechanisms), newAcceptor()];
          client.step();
          for (let at = 0; at < step; at++) (at % 2 === 0 ? server : client).step(messages[at]);
          (toServer ? server : client).step(changed);
          const proven = server.peer;
          if (proven !== undefined && proven.name !== 'FILES\\admin')
            throw new BrokenPromise('somebody else logged on');
          return undefined;
        },
      });
    });
  }
  const dictionary = ['\x06\x06\x2b\x06\x01\x05\x05\x02', 'NTLMSSP\0', '\xa0\x03\x0a\x01\x02', '\x30\x80', '\x60\x82'];
  return { seeds, dictionary, maximum: largestToken, documented: remoteOrRefused };
}

const ntlm: SpnegoMechanism = ntlmInitiatorMechanism({
  credentials: { user: fuzzUser, password: fuzzPassword },
  environment: fuzzEnvironment,
});

/** Kerberos as the server sees it: an identifier it does not take, and a token it drops. No token for it is a right one. */
const other: SpnegoMechanism = {
  oids: ['1.2.840.48018.1.2.2', '1.2.840.113554.1.2.2'],
  recognises: () => false,
  create: () => ({
    ...unusable,
    mechanism: 'kerberos',
    complete: false,
    peer: undefined,
    claimedName: undefined,
    sessionKey: new Uint8Array(0),
    step: (input) => (input === undefined ? Uint8Array.of(0x6e, 0x00) : wrongToken()),
  }),
};

function wrongToken(): never {
  throw new CarmineError('auth/protocol', { context: { mechanism: 'kerberos', reason: 'not a token' } });
}

const notChosen = (): never => {
  throw new BrokenPromise('the mechanism that was not chosen was used');
};
const unusable = {
  wrap: notChosen,
  unwrap: notChosen,
  sign: notChosen,
  verify: notChosen,
  pduTokenLength: notChosen,
  signPdu: notChosen,
  verifyPdu: notChosen,
  sealPdu: notChosen,
  openPdu: notChosen,
  signMechanismList: notChosen,
  verifyMechanismList: notChosen,
};

function newInitiator(mechanisms: readonly SpnegoMechanism[]): SpnegoInitiator {
  return createSpnegoInitiator({ mechanisms });
}

function newAcceptor(): SpnegoContext {
  const options = { accounts: fuzzAccounts, environment: fuzzEnvironment, hostName: 'files.example' };
  return createSpnegoAcceptor({ mechanisms: [ntlmAcceptorMechanism(options)] });
}

/** The messages of a whole exchange, the client's first. */
function exchange(mechanisms: readonly SpnegoMechanism[]): readonly Uint8Array[] {
  const [client, server] = [newInitiator(mechanisms), newAcceptor()];
  const messages: Uint8Array[] = [];
  let next = client.step();
  for (let toServer = true; next !== undefined; toServer = !toServer) {
    messages.push(next);
    next = (toServer ? server : client).step(next);
  }
  if (!client.complete || !server.complete) throw new BrokenPromise('the exchange did not complete');
  return messages;
}
