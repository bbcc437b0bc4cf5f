export { type Clock, FakeClock, settle } from './fake-clock.ts';
export { type FileCall, type FileFault, FileFaults } from './file-faults.ts';
export { fromHex, toHex } from './hex.ts';
export { SeededRandom } from './random.ts';
