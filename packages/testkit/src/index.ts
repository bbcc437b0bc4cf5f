export { type Clock, FakeClock, settle } from './fake-clock.ts';
export { fromHex, toHex } from './hex.ts';
export { SeededRandom } from './random.ts';
