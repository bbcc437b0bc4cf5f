import { SeededRandom } from '@carmine/testkit';
import { describe, expect, it } from 'vitest';
import { randomCase } from '../src/foreign/samba-cases.ts';

const cases = (seed: number, count: number) => {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => randomCase(random));
};

describe('questions of access', () => {
  it('are the same for the same seed', () => {
    expect(cases(1, 50)).toEqual(cases(1, 50));
    expect(cases(1, 50)).not.toEqual(cases(2, 50));
  });

  it('are of every kind, with every verdict', () => {
    const all = cases(3, 3000);
    const texts = all.map(({ text }) => text);
    for (const part of ['NO_ACCESS_CONTROL', '(D;', '(A;', ';;;OW)', 'IO', 'GA', 'D:P'])
      expect(texts.filter((text) => text.includes(part)).length, part).toBeGreaterThan(10);
    expect(texts.filter((text) => !text.includes('D:')).length).toBeGreaterThan(10);
    expect(texts.filter((text) => /D:[PARI]*$/.test(text)).length).toBeGreaterThan(10);
    // Allowed before denied, and the other way round.
    expect(texts.filter((text) => /\(A.*\(D/.test(text)).length).toBeGreaterThan(100);
    expect(all.filter(({ verdict }) => verdict === true).length).toBeGreaterThan(100);
    expect(all.filter(({ verdict }) => verdict === false).length).toBeGreaterThan(100);
  });

  it('are asked of Samba in words that it reads as they are meant', () => {
    for (const { sambaText, text } of cases(4, 1000)) {
      expect(sambaText === null).toBe(text.includes('NO_ACCESS_CONTROL'));
      expect(sambaText ?? '').not.toContain(';FA;');
    }
  });
});
