import { equalBytes } from '@carmine/wire';
import { BrokenPromise, type FuzzSeed } from '../../target.ts';
import { type KerberosScene, kerberosPair } from './scene.ts';

/** Messages behind a finished exchange: whatever opens or verifies must be what was sealed or signed. */
export function kerberosContextSeeds(scene: KerberosScene): FuzzSeed[] {
  const text = new TextEncoder().encode('sealed by one side of a finished exchange, more than a block of it');
  const token = kerberosPair(scene).initiator.wrapToken(text);
  const fromServer = kerberosPair(scene).acceptor.wrapToken(text);
  const sealed = kerberosPair(scene).acceptor.wrap(text);
  const parts = Uint8Array.from([...sealed.header, ...sealed.data]);
  const mic = kerberosPair(scene).initiator.sign(text);
  const pdu = { header: text.subarray(0, 24), trailer: text.subarray(24, 32), headerSigning: true };
  const inPlace = kerberosPair(scene, true).initiator.sealPdu({ ...pdu, body: text });
  const { name } = scene;
  const mustBe = (wanted: Uint8Array, got: Uint8Array) => {
    if (!equalBytes(wanted, got)) throw new BrokenPromise('what was changed was taken');
  };
  return [
    {
      name: `${name} Wrap token to the server`,
      input: token,
      feed(input) {
        const plain = kerberosPair(scene).acceptor.unwrapToken(input);
        return () => {
          mustBe(text, plain);
          mustBe(unrotated(token), unrotated(input));
        };
      },
    },
    {
      name: `${name} Wrap token to the client`,
      input: fromServer,
      feed(input) {
        const plain = kerberosPair(scene).initiator.unwrapToken(input);
        return () => {
          mustBe(text, plain);
          mustBe(unrotated(fromServer), unrotated(input));
        };
      },
    },
    {
      name: `${name} sealed message`,
      input: parts,
      feed(input) {
        const header = input.subarray(0, sealed.header.length);
        kerberosPair(scene).initiator.unwrap({ header, data: input.subarray(header.length) });
        return () => mustBe(parts, input);
      },
    },
    {
      name: `${name} MIC`,
      input: mic,
      feed(input) {
        kerberosPair(scene).acceptor.verify(text, input);
        return () => mustBe(mic, input);
      },
    },
    {
      name: `${name} signed text`,
      input: text,
      feed(input) {
        kerberosPair(scene).acceptor.verify(input, mic);
        return () => mustBe(text, input);
      },
    },
    {
      name: `${name} token of a PDU`,
      input: inPlace.token,
      feed(input) {
        const plain = kerberosPair(scene, true).acceptor.openPdu({ ...pdu, body: inPlace.body }, input);
        return () => {
          mustBe(text, plain);
          mustBe(withoutRotation(inPlace.token), withoutRotation(input));
        };
      },
    },
    {
      name: `${name} body of a PDU`,
      input: inPlace.body,
      feed(input) {
        kerberosPair(scene, true).acceptor.openPdu({ ...pdu, body: input }, inPlace.token);
        return () => mustBe(inPlace.body, input);
      },
    },
  ];
}

/** RRC (RFC 4121 section 4.2.5) is not protected: any is right for which the rest is where it says. */
function unrotated(token: Uint8Array): Uint8Array {
  const count = (token[6]! << 8) | token[7]!;
  const rest = token.subarray(16);
  const start = count % rest.length;
  return Uint8Array.from([
    ...withoutRotation(token).subarray(0, 16),
    ...rest.subarray(start),
    ...rest.subarray(0, start),
  ]);
}

function withoutRotation(token: Uint8Array): Uint8Array {
  const copy = token.slice();
  copy.fill(0, 6, 8);
  return copy;
}
