import { TestKdc, type TestKdcOptions } from '../../testing/kdc.ts';
import { systemEnvironment } from '../system-environment.ts';

/** For tests: a KDC with the clock and the randomness of this system, as its clients have them. */
export function systemKdc(options: Omit<TestKdcOptions, 'now' | 'randomBytes'>): TestKdc {
  return new TestKdc({ ...options, now: systemEnvironment.now, randomBytes: systemEnvironment.randomBytes });
}
