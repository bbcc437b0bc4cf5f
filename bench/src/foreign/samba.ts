import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { decodeSecurityDescriptor } from '@carmine/security';
import { SeededRandom } from '@carmine/testkit';
import type { Checks } from './checks.ts';
import { isThere, runPeer } from './peers.ts';
import { domainSid, randomCase } from './samba-cases.ts';

/** Samba's library decides the same questions of access, and reads and writes the same descriptors. */
export async function sambaChecks(checks: Checks, count: number, seed = 1): Promise<void> {
  if (!(await isThere(python, '-c', 'import samba.dcerpc.security, samba.ndr'))) {
    checks.add('samba', 'not run', 'python3-samba is not installed');
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'carmine-samba-'));
  try {
    await compare(checks, folder, count, seed);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const python = '/usr/bin/python3';

async function compare(checks: Checks, folder: string, count: number, seed: number): Promise<void> {
  const [casesFile, packedFile] = [join(folder, 'cases'), join(folder, 'packed')];
  await writeCases(casesFile, count, seed);
  const script = fileURLToPath(new URL('samba_access_check.py', import.meta.url));
  const { code, stdout, stderr } = await runPeer(python, ['-W', 'ignore', script, casesFile, packedFile, domainSid]);
  for (const line of stdout.split('\n').filter((text) => text !== '')) {
    const { check, ok, detail, failed } = JSON.parse(line) as Report;
    const text = ok ? detail : `${failed} of ${count}: ${detail}`;
    checks.add(`samba: ${check} (${count} cases)`, ok ? 'passed' : 'failed', text);
  }
  if (code !== 0) {
    checks.add('samba: ran to its end', 'failed', stderr.trim().split('\n').at(-1) ?? '');
    return;
  }
  await checks.run(`samba: what it packs is read as what it was (${count} cases)`, async () => {
    const random = new SeededRandom(seed);
    let read = 0;
    for await (const line of createInterface({ input: createReadStream(packedFile) })) {
      const { descriptor, text } = randomCase(random);
      const packed = decodeSecurityDescriptor(Uint8Array.from(Buffer.from(line, 'base64')));
      if (!isDeepStrictEqual(packed, descriptor)) throw new Error(`${text} came back as something else`);
      read++;
    }
    if (read !== count) throw new Error(`${read} descriptors came back`);
    return undefined;
  });
}

interface Report {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly failed: number;
}

/** The same seed gives the same cases, so that they need not be kept. */
async function writeCases(path: string, count: number, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const file = await open(path, 'w');
  try {
    for (let id = 0; id < count; ) {
      const lines: string[] = [];
      for (; id < count && lines.length < 1000; id++) {
        const { text, sambaText, binary, sids, mask, verdict } = randomCase(random);
        const shown = { shown: text, sddl: sambaText, binary: Buffer.from(binary).toString('base64') };
        lines.push(JSON.stringify({ id, ...shown, sids, mask, verdict }));
      }
      await file.write(`${lines.join('\n')}\n`);
    }
  } finally {
    await file.close();
  }
}
