import { readFileSync } from 'node:fs';
import type { RpcSecurityContext } from '@carmine/auth';
import { fromHex, toHex } from '@carmine/testkit';
import { NdrReader, NdrWriter } from '@carmine/wire/ndr';
import { describe, expect, it } from 'vitest';
import { mapRequest, mapResponse } from '../src/epm/messages.ts';
import { readTower } from '../src/epm/tower.ts';
import { readBind, readBindAck, writeBind, writeBindAck } from '../src/pdu/bind.ts';
import {
  readRequestHead,
  readResponseHead,
  responseHeadEnd,
  writeRequestHead,
  writeResponseHead,
} from '../src/pdu/call.ts';
import { PduFramer } from '../src/pdu/framer.ts';
import { type Pdu, pduTypes, readPdu, writePdu } from '../src/pdu/header.ts';
import { openStub, writeFragments } from '../src/pdu/protection.ts';

interface RecordedPdu {
  readonly dir: 'c2s' | 's2c';
  readonly hex: string;
  readonly stub_plain?: string;
}
interface Recording {
  readonly connections: readonly { auth_type: number; auth_level: number; pdus: readonly RecordedPdu[] }[];
  readonly epm_map_no_auth: readonly RecordedPdu[];
}
const recording = JSON.parse(readFileSync(new URL('golden/rpc-ntlm-samba.json', import.meta.url), 'utf8')) as Recording;

/** Written in [MS-RPCE] terms in the fact sheet: what a Windows server answered. */
const windows = {
  alter:
    '05000e03100000004800000003000000d016d0164c6e00000100000002000100d61c78d4d3e5df44ad94930efe48a88700000000045d888aeb1cc9119fe808002b10486002000000',
  answer:
    '05000f03100000003800000003000000d016d0164c6e0000000000000100000000000000045d888aeb1cc9119fe808002b10486002000000',
};

function again(pdu: Pdu): Uint8Array {
  const { type, flags, callId, auth } = pdu;
  switch (type) {
    case pduTypes.bind:
    case pduTypes.alterContext:
      return writePdu({ type, flags, callId, body: writeBind(readBind(pdu)), auth });
    case pduTypes.bindAck:
    case pduTypes.alterContextResponse:
      return writePdu({ type, flags, callId, body: writeBindAck(readBindAck(pdu)), auth });
    default:
      return writePdu({ type, flags, callId, body: new Uint8Array(4), auth });
  }
}

describe.each(recording.connections.map((each) => [each.auth_type, each.auth_level, each] as const))(
  'recorded between rpcclient and Samba, type %i, level %i',
  (type, level, { pdus }) => {
    it('reads and writes the handshake', () => {
      const handshake = pdus.filter(({ stub_plain }) => stub_plain === undefined);
      expect(handshake.length).toBeGreaterThan(2);
      for (const { hex } of handshake) {
        const pdu = readPdu(fromHex(hex));
        expect(pdu.auth).toMatchObject({ type, level });
        expect(toHex(again(pdu))).toBe(hex);
      }
    });

    it('hands calls to the mechanism in the right parts, and puts them together again', () => {
      for (const { hex, stub_plain } of pdus) {
        if (stub_plain === undefined) continue;
        const pdu = readPdu(fromHex(hex));
        const isRequest = pdu.type === pduTypes.request;
        const sealed = pdu.bytes.subarray(responseHeadEnd, pdu.bodyEnd);
        const token = pdu.auth!.token;
        const plain = new Uint8Array(sealed.length);
        plain.set(fromHex(stub_plain));
        const seen: Uint8Array[] = [];
        // Stands for NTLM, whose own recorded values the tests of auth verify.
        const context = {
          pduTokenLength: () => token.length,
          signPdu: () => token,
          sealPdu: () => ({ body: sealed, token }),
          verifyPdu: (parts: { header: Uint8Array; trailer: Uint8Array }) =>
            void seen.push(parts.header, parts.trailer),
          openPdu: (parts: { header: Uint8Array; trailer: Uint8Array }) => {
            seen.push(parts.header, parts.trailer);
            return plain;
          },
        } as unknown as RpcSecurityContext;
        const protection = { context, type, level, contextId: pdu.auth!.contextId, headerSigning: true };
        expect(toHex(openStub(pdu, responseHeadEnd, protection))).toBe(stub_plain);
        expect(seen.map(toHex)).toEqual([hex.slice(0, 48), toHex(pdu.bytes.subarray(pdu.bodyEnd, pdu.bodyEnd + 8))]);
        const written = writeFragments({
          type: pdu.type,
          callId: pdu.callId,
          stub: fromHex(stub_plain),
          maxFragment: 4280,
          protection,
          head: (allocHint) => {
            if (isRequest) return writeRequestHead({ ...readRequestHead(pdu), allocHint });
            return writeResponseHead({ ...readResponseHead(pdu), allocHint });
          },
        });
        expect(written.map(toHex)).toEqual([hex]);
      }
    });
  },
);

it('reads and writes the recorded ept_map', () => {
  const [bind, ack, request, response] = recording.epm_map_no_auth.map(({ hex }) => readPdu(fromHex(hex)));
  for (const pdu of [bind!, ack!]) expect(again(pdu)).toEqual(pdu.bytes);
  for (const [pdu, message, first] of [
    [request!, mapRequest, 1],
    [response!, mapResponse, 3],
  ] as const) {
    const stub = pdu.bytes.subarray(24);
    const value = message.read(new NdrReader(stub));
    const writer = new NdrWriter({ referents: { first, step: 1 } });
    (message as typeof mapRequest).write(writer, value as ReturnType<typeof mapRequest.read>);
    expect(toHex(writer.toBytes())).toBe(toHex(stub));
  }
  const tower = readTower(mapRequest.read(new NdrReader(request!.bytes.subarray(24))).tower!);
  expect(tower).toMatchObject({
    abstractSyntax: { uuid: '12345778-1234-abcd-ef00-0123456789ab' },
    protocols: [11, 15, 17],
  });
});

it("reads and writes a Windows server's alter_context", () => {
  for (const hex of Object.values(windows)) expect(toHex(again(readPdu(fromHex(hex))))).toBe(hex);
});

it('cuts a stream into PDUs however it arrives', () => {
  const all = recording.epm_map_no_auth.map(({ hex }) => fromHex(hex));
  const stream = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  all.reduce((at, pdu) => {
    stream.set(pdu, at);
    return at + pdu.length;
  }, 0);
  for (const size of [1, 7, 100, stream.length]) {
    const seen: string[] = [];
    const framer = new PduFramer(() => 5840);
    for (let at = 0; at < stream.length; at += size)
      framer.push(stream.subarray(at, at + size), (pdu) => seen.push(toHex(pdu)));
    expect(seen).toEqual(all.map(toHex));
    expect(framer.buffered).toBe(0);
  }
});
