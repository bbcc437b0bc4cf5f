import type { AccessRecord } from './access-record.ts';
import type { UrlGroup } from './group.ts';

/** Counts the answers of each group; what is counted of a group goes with it. */
export class GroupMetrics {
  readonly #counts = new WeakMap<UrlGroup, { bytes: number; readonly requests: Map<string, number> }>();

  add(group: UrlGroup, { status, bytes, whole }: AccessRecord): void {
    let counts = this.#counts.get(group);
    if (counts === undefined) {
      counts = { bytes: 0, requests: new Map() };
      this.#counts.set(group, counts);
    }
    const outcome = whole ? (classes[Math.floor(status / 100)] ?? 'other') : 'cut';
    counts.bytes += bytes;
    counts.requests.set(outcome, (counts.requests.get(outcome) ?? 0) + 1);
  }

  /** Names as Prometheus writes them. @param running answers that are being sent, of a group. */
  collect(groups: Iterable<UrlGroup>, running: (group: UrlGroup) => number): ReadonlyMap<string, number> {
    const metrics = new Map<string, number>();
    for (const group of groups) {
      const label = `group="${group.prefix.text.replace(/[\\"\n]/g, (found) => (found === '\n' ? '\\n' : `\\${found}`))}"`;
      const counts = this.#counts.get(group);
      metrics.set(`carmine_url_group_transfers_running{${label}}`, running(group));
      metrics.set(`carmine_url_group_bytes_total{${label}}`, counts?.bytes ?? 0);
      for (const [status, count] of counts?.requests ?? [])
        metrics.set(`carmine_url_group_requests_total{${label},status="${status}"}`, count);
    }
    return metrics;
  }
}

const classes = ['0xx', '1xx', '2xx', '3xx', '4xx', '5xx'];
