import { type CorpusReport, runCorpus } from './corpus-run.ts';
import { openDoors } from './doors.ts';
import { type MutationReport, runMutations } from './mutations.ts';
import { runSlowloris, type SlowlorisReport } from './slowloris.ts';
import { runSuffixes, type SuffixReport } from './suffixes.ts';

/** What `npm run torture -- http` found. */
export interface HttpReport {
  readonly schema: 'carmine.torture-http/1';
  readonly seed: number;
  readonly corpus: CorpusReport;
  readonly suffixes: SuffixReport;
  readonly mutations: MutationReport;
  readonly slowloris: SlowlorisReport;
  readonly failures: readonly string[];
  readonly seconds: number;
}

/**
 * Hostile HTTP against a server agent's ports: requests that two readers could understand differently, and bombs of ranges and
 * fields, at every door; `count` names that lead nowhere; changes of the published files under a hundredth as many transfers;
 * connections that never say what they want.
 */
export async function tortureHttp(count: number, seed: number, say: (text: string) => void): Promise<HttpReport> {
  const started = performance.now();
  const failures: string[] = [];
  const doors = await openDoors();
  try {
    const corpus = await runCorpus(doors, failures);
    say(`${corpus.cases} cases at ${doors.all.length} doors: ${failures.length} failures`);
    const suffixes = await runSuffixes(doors, count, seed);
    if (suffixes.escapes > 0) failures.push(`${suffixes.escapes} names led somewhere`);
    say(`${suffixes.asked} hostile names: ${suffixes.escapes} escapes`);
    const mutations = await runMutations(doors, Math.ceil(count / 100), seed);
    if (mutations.mixed > 0) failures.push(`${mutations.mixed} mixed files, or parts, were accepted`);
    if (mutations.whole === 0) failures.push('no transfer came to its end under mutations: nothing was tested');
    if (mutations.parts === 0) failures.push('no part of a file came whole under mutations: nothing was tested');
    say(`${mutations.transfers} transfers under ${mutations.mutations} mutations: ${mutations.mixed} mixed`);
    const slowloris = await runSlowloris(doors, failures);
    return {
      schema: 'carmine.torture-http/1',
      seed,
      corpus,
      suffixes,
      mutations,
      slowloris,
      failures,
      seconds: Math.round((performance.now() - started) / 1000),
    };
  } finally {
    await doors.sandbox.close();
  }
}
