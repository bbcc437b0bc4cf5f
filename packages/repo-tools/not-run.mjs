// Says what `npm test` did not run, so that nobody takes silence for success.
import { spawnSync } from 'node:child_process';

const there = (program, ...args) => spawnSync(program, args, { stdio: 'ignore' }).status === 0;
const peers = [
  ['curl', there('curl', '--version')],
  ['pywinrm', there('/usr/bin/python3', '-c', 'import winrm')],
];
const missing = peers.filter(([, found]) => !found).map(([name]) => name);
const lines = [
  'Not run by "npm test":',
  `  npm run foreign                        programs that nobody here wrote against the agents${missing.length === 0 ? '' : ` (not installed: ${missing.join(', ')})`}`,
  '  npm run torture -- kill --count 200    kills, and other kinds of torture',
  '  npm run bench -- SCENARIO              figures beside other programs',
  '  against real Windows                   never: none was at hand',
];
process.stdout.write(`\n${lines.join('\n')}\n`);
