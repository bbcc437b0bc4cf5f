import { createNtlmAcceptor, createNtlmInitiator, type MechanismContext } from '@carmine/auth';
import { equalBytes } from '@carmine/wire';
import { BrokenPromise, type FuzzSeed, type FuzzTarget, largestToken, remoteOrRefused } from '../target.ts';
import { fuzzAccounts, fuzzEnvironment, fuzzPassword, fuzzUser } from './accounts.ts';

/** NEGOTIATE and AUTHENTICATE at a server, CHALLENGE at a client, and messages behind a finished exchange. */
export function ntlmTarget(): FuzzTarget {
  const { negotiate, challenge, authenticate } = handshake();
  const client = pair();
  const sealed = client.initiator.wrap(new TextEncoder().encode('sealed by the client'));
  const message = Uint8Array.from([...sealed.header, ...sealed.data]);
  const seeds: FuzzSeed[] = [
    {
      name: 'ntlm NEGOTIATE',
      input: negotiate,
      feed(input) {
        newAcceptor().step(input);
        return undefined;
      },
    },
    {
      name: 'ntlm AUTHENTICATE',
      input: authenticate,
      feed(input) {
        const acceptor = newAcceptor();
        acceptor.step(negotiate);
        acceptor.step(input);
        // The MIC covers every octet.
        if (acceptor.complete && !equalBytes(input, authenticate)) {
          throw new BrokenPromise('a changed AUTHENTICATE message was accepted');
        }
        return undefined;
      },
    },
    {
      name: 'ntlm CHALLENGE',
      input: challenge,
      feed(input) {
        const initiator = newInitiator();
        initiator.step();
        initiator.step(input);
        return undefined;
      },
    },
    {
      name: 'ntlm sealed message',
      input: message,
      feed(input) {
        const { acceptor } = pair();
        const header = input.subarray(0, Math.min(16, input.length));
        acceptor.unwrap({ header, data: input.subarray(header.length) });
        if (!equalBytes(input, message)) throw new BrokenPromise('a changed sealed message was opened');
        return undefined;
      },
    },
  ];
  return {
    seeds,
    dictionary: ['NTLMSSP\0', '\x01\0\0\0', '\x03\0\0\0'],
    maximum: largestToken,
    documented: remoteOrRefused,
  };
}

function newAcceptor(): MechanismContext {
  return createNtlmAcceptor({ accounts: fuzzAccounts, environment: fuzzEnvironment, hostName: 'files.example' });
}

function newInitiator(): MechanismContext {
  return createNtlmInitiator({
    credentials: { user: fuzzUser, password: fuzzPassword, domain: 'FILES' },
    environment: fuzzEnvironment,
    targetName: 'WSMAN/files.example',
    workstation: 'CLIENT',
  });
}

function pair() {
  const [initiator, acceptor] = [newInitiator(), newAcceptor()];
  const negotiate = initiator.step() ?? new Uint8Array(0);
  const challenge = acceptor.step(negotiate) ?? new Uint8Array(0);
  const authenticate = initiator.step(challenge) ?? new Uint8Array(0);
  acceptor.step(authenticate);
  return { initiator, acceptor, negotiate, challenge, authenticate };
}

function handshake() {
  const { negotiate, challenge, authenticate } = pair();
  return { negotiate, challenge, authenticate };
}
