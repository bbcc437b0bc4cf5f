import { SeededRandom } from '@carmine/testkit';
import { testKdc as makeKdc, type TestKdc, type TestKdcOptions } from '../src/testing/index.ts';

/** The realm of src/testing, with the same randomness in every test. */
export function testKdc(changes: Partial<TestKdcOptions> = {}): TestKdc {
  return makeKdc({ randomBytes: seededBytes(), ...changes });
}

export function seededBytes(): (length: number) => Uint8Array {
  const random = new SeededRandom(77);
  return (length) => random.bytes(length);
}
