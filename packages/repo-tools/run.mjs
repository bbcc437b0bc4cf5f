// Runs a TypeScript file of this repository on the pinned Node, reading every package from source.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pinned = `${root}node_modules/node/bin/node`;
const [file, ...args] = process.argv.slice(2);
if (file === undefined || !existsSync(pinned)) {
  process.stderr.write('carmine: run "npm run setup" first\n');
  process.exit(2);
}
const child = spawn(
  pinned,
  ['--conditions=@carmine/source', '--disable-warning=ExperimentalWarning', `${root}${file}`, ...args],
  {
    stdio: 'inherit',
    // What was stripped of its types once is kept, for this process and the programs that it starts.
    env: { NODE_COMPILE_CACHE: `${root}node_modules/.cache/carmine`, ...process.env },
  },
);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
