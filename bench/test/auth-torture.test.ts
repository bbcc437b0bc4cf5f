import { ntOwfV1 } from '@carmine/auth';
import { fromHex, toHex } from '@carmine/testkit';
import { describe, expect, it } from 'vitest';
import { attacks } from '../src/torture/auth/attacks.ts';
import { type Doors, openDoors } from '../src/torture/auth/doors.ts';
import { desResponse, lmHash, withoutMic } from '../src/torture/auth/forge.ts';
import type { LineAnswer } from '../src/torture/auth/line.ts';
import { tortureAuth } from '../src/torture/auth/main.ts';

const quiet = () => {};

describe('broken authentication', () => {
  it('acts not once, while those who may act do', async () => {
    const report = await tortureAuth(2 * attacks.length, 1, quiet);
    expect(report.failures).toEqual([]);
    expect(report.happened).toBe(report.allowed);
    expect(report.allowed).toBeGreaterThan(20);
    expect(Object.values(report.kinds)).toEqual(attacks.map(() => 2));
  });

  it('is noticed when a door lets it through', async () => {
    const report = await tortureAuth(attacks.length, 2, quiet, () => doorsWith({ status: 200 }));
    expect(report.failures.length).toBeGreaterThan(0);
    expect(report.failures[0]).toContain('status 200');
  });

  it('is noticed when it acts although it is refused', async () => {
    let acted = 0;
    const report = await tortureAuth(1, 3, quiet, async () => ({
      ...(await doorsWith({ status: 401 })),
      actions: () => ++acted,
    }));
    expect(report.failures[0]).toContain('actions that nobody was allowed');
    expect(report.happened).not.toBe(report.allowed);
  });

  it('is noticed when a server fails', async () => {
    const report = await tortureAuth(0, 4, quiet, async () => ({
      ...(await doorsWith({ status: 401 })),
      faults: ['TypeError'],
    }));
    expect(report.failures).toEqual(['TypeError']);
  });
});

/** The doors, each with the same answer to everything. */
async function doorsWith(answer: Partial<LineAnswer>): Promise<Doors> {
  const doors = await openDoors();
  const given = { status: 401, wwwAuthenticate: [], body: new Uint8Array(0), ...answer };
  return {
    ...doors,
    doors: doors.doors.map((door) => ({ ...door, open: async () => ({ ask: async () => given, close: quiet }) })),
  };
}

/** [MS-NLMP] 4.2.2: user `User`, password `Password`, server challenge 0123456789abcdef. */
describe('forged responses', () => {
  const challenge = fromHex('0123456789abcdef');

  it('of NTLMv1 and LM are those of the specification', () => {
    expect(toHex(desResponse(ntOwfV1('Password'), challenge))).toBe('67c43011f30298a2ad35ece64f16331c44bdbed927841f94');
    expect(toHex(lmHash('Password'))).toBe('e52cac67419a9a224a3b108f3fa6cb6d');
    expect(toHex(desResponse(lmHash('Password'), challenge))).toBe('98def7b87f88aa5dafe2df779688a172def11c7d5ccdef13');
  });

  it('lose their MIC and keep the rest', () => {
    const message = new Uint8Array(100).map((_, index) => index);
    const view = new DataView(message.buffer);
    for (let part = 0; part < 6; part++) view.setUint32(16 + 8 * part, 88, true);
    const cut = withoutMic(message);
    expect(cut.length).toBe(84);
    expect(new DataView(cut.buffer).getUint32(16, true)).toBe(72);
    expect(cut.subarray(72)).toEqual(message.subarray(88));
  });
});
