import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemEnvironment } from '@carmine/auth/node';
import { createUrlServer } from '@carmine/url-server/node';
import { median } from '../statistics.ts';
import type { Scenario } from './measure.ts';

const many = 100_000;
/** Creations that are on their way at the same time. */
const atOnce = 100;
const lookUps = 20_000;

/** 100,000 URLs in one group: how long creating one takes, durably, and finding one among them. In one process, no network. */
export const urlTableScenario: Scenario = async (rounds, say) => {
  const create: number[] = [];
  const find = new Map<number, number[]>();
  for (let round = 1; round <= rounds; round++) {
    const result = await measure();
    create.push(result.create);
    for (const [count, microseconds] of result.find) find.set(count, [...(find.get(count) ?? []), microseconds]);
    say(`round ${round}: ${result.create.toFixed(3)} ms to create one`);
  }
  return {
    title: `${many} URLs in one group, medians of ${rounds} rounds`,
    head: ['WHAT', 'TIME'],
    rows: [
      [`create one, ${atOnce} at the same time, durable`, `${median(create).toFixed(3)} ms`],
      ...[...find].map(([count, all]) => [`find one among ${count}`, `${median(all).toFixed(2)} µs`]),
    ],
    notes: ['Each creation opens the source and checks where it lies; all URLs have the same source.'],
    report: { create, find: Object.fromEntries(find) },
  };
};

async function measure(): Promise<{ readonly create: number; readonly find: ReadonlyMap<number, number> }> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'carmine-urls-')));
  const server = createUrlServer({
    stateDir: folder,
    bind: ['127.0.0.1'],
    roots: [folder],
    requireTls: false,
    anonymous: false,
    persist: true,
    requireChannelBinding: true,
    accounts: () => undefined,
    certificates: { findByThumbprint: async () => undefined, findBySubject: async () => undefined },
    environment: systemEnvironment,
    hostName: 'BENCH',
    warn: () => {},
  });
  const { groups } = server;
  try {
    const source = join(folder, 'source');
    writeFileSync(source, 'x');
    await server.start();
    // An https group without a certificate listens nowhere.
    const prefix = 'https://+:8443/bench/';
    await groups.createUrlGroup(prefix);
    const suffix = (index: number) => `folder ${index % 100}/image-${index}.vhdx`;
    const find = new Map<number, number>();
    let spent = 0;
    for (let index = 0; index < many; ) {
      const started = performance.now();
      const end = Math.min(many, index + atOnce);
      const batch: Promise<number>[] = [];
      for (; index < end; index++)
        batch.push(groups.createUrl(prefix, { urlSuffix: suffix(index), sourceFilePath: source, sddlAuth: '' }));
      await Promise.all(batch);
      spent += performance.now() - started;
      if (![100, 10_000, many].includes(index)) continue;
      const began = performance.now();
      for (let call = 0; call < lookUps; call++)
        if (!(await groups.checkUrl(prefix, suffix(Math.floor((call / lookUps) * index)))))
          throw new Error('not found');
      find.set(index, ((performance.now() - began) / lookUps) * 1000);
    }
    return { create: spent / many, find };
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}
