/** One result of the suite. `not run`: the peer is not on this machine. */
export interface CheckResult {
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'not run';
  readonly detail: string;
}

/** Collects results and prints each as it comes. */
export class Checks {
  readonly results: CheckResult[] = [];

  add(name: string, outcome: CheckResult['outcome'], detail = ''): void {
    this.results.push({ name, outcome, detail });
    process.stdout.write(`${outcome.padEnd(8)} ${name}${detail === '' ? '' : `: ${detail}`}\n`);
  }

  /** Passes when `work` returns; its text is the detail. */
  async run(name: string, work: () => Promise<string | undefined>): Promise<void> {
    try {
      this.add(name, 'passed', (await work()) ?? '');
    } catch (error) {
      this.add(name, 'failed', (error as Error).message.replaceAll('\n', ' ').slice(0, 500));
    }
  }

  count(outcome: CheckResult['outcome']): number {
    return this.results.filter((result) => result.outcome === outcome).length;
  }
}
