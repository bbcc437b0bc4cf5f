import { fromHex, toHex } from '@carmine/testkit';
import { describe, expect, test } from 'vitest';
import { CfxChannel } from '../src/kerberos/gss/cfx.ts';
import { golden } from './support.ts';

interface Recorded {
  readonly key: string;
  readonly etype: number;
  readonly dceStyle: boolean;
  readonly acceptorSubkey: boolean;
  readonly sequence: number;
  readonly data: string;
  readonly mic: string;
  readonly sealed: { readonly header: string; readonly data: string };
  readonly sign: readonly [string, string];
  readonly pdu: { readonly header: string; readonly data: string };
  readonly wrapped: string;
}

const { contexts } = golden<{ contexts: readonly Recorded[] }>('kerberos-mit-tokens.json');

describe.each(contexts)('tokens of MIT, type $etype, DCE style: $dceStyle', (recorded) => {
  const { key, etype, dceStyle, acceptorSubkey, data } = recorded;
  const channel = (firstSequenceNumber = recorded.sequence) =>
    new CfxChannel({
      key: { etype, value: fromHex(key) },
      sender: 'acceptor',
      acceptorSubkey,
      dceStyle,
      firstSequenceNumber,
    });

  test('are understood, in their order', () => {
    const { mic, sealed, sign, pdu, wrapped } = recorded;
    const receive = channel();
    receive.verify(fromHex(mic), fromHex(data));
    const [opened] = receive.open({ header: fromHex(sealed.header), parts: [fromHex(sealed.data)] }, [true]);
    expect(toHex(opened!)).toBe(data);
    const parts = [fromHex(sign[0]), fromHex(pdu.data), fromHex(sign[1])];
    const body = receive.open({ header: fromHex(pdu.header), parts }, [false, true, false])[1];
    expect(toHex(body!)).toBe(data);
    expect(toHex(receive.openToken(fromHex(wrapped)))).toBe(data);
  });

  test('are what we make of the same', () => {
    expect(toHex(channel().sign(fromHex(data)))).toBe(recorded.mic);
    // The confounder is random; all else in clear is the same.
    const { header } = channel(recorded.sequence + 1).seal(
      [{ bytes: fromHex(data), encrypt: true }],
      new Uint8Array(16),
    );
    expect(toHex(header.subarray(0, 16))).toBe(recorded.sealed.header.slice(0, 32));
    expect(header).toHaveLength(recorded.sealed.header.length / 2);
    expect(channel().sealedHeaderLength).toBe(header.length);
  });
});

test('every AES type in both styles was recorded', () => {
  const seen = contexts.map(({ etype, dceStyle }) => `${etype} ${dceStyle}`).sort();
  expect(seen).toEqual([17, 18, 19, 20].flatMap((etype) => [`${etype} false`, `${etype} true`]));
});
