// The runtime guard. If the pinned Node could not be installed, PATH falls back to an old Node in silence; say so instead.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pinned = `${root}node_modules/node/bin/node`;
const floor = [24, 15];

const atLeastFloor = (version) => {
  const [major, minor] = version.replace(/^v/, '').split('.').map(Number);
  return major > floor[0] || (major === floor[0] && minor >= floor[1]);
};

const found = existsSync(pinned) ? execFileSync(pinned, ['--version'], { encoding: 'utf8' }).trim() : undefined;
if (found === undefined || !atLeastFloor(found)) {
  process.stderr.write(
    `carmine: needs Node ${floor.join('.')} or newer, which "npm run setup" installs into node_modules.\n` +
      `It is ${found === undefined ? 'not there' : `there, but it is ${found}`}. Were install scripts blocked? ` +
      'Allow them for the packages "node" and "pnpm" and run "npm run setup" again.\n',
  );
  process.exit(2);
}
