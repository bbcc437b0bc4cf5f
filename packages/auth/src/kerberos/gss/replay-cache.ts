import { createHash } from 'node:crypto';
import { CarmineError } from '@carmine/errors';

export interface ReplayCacheOptions {
  /** Authenticators remembered at most; 131,072 unless given. About 100 octets each. */
  readonly capacity?: number | undefined;
  /** Of these at most for one client, so that one cannot lock out the others; 8,192 unless given. */
  readonly capacityPerClient?: number | undefined;
}

/**
 * The authenticators seen of late: RFC 4120 section 3.2.3 has the server remember those within the allowable clock
 * skew. In memory, so that a restart forgets; shared by all acceptors of one key table.
 */
export interface ReplayCache {
  /**
   * Remembers an authenticator's ciphertext until `expires`; false when it is there already. Throws `auth/throttled`
   * when there is no room: forgetting one would let it be replayed. Times in milliseconds.
   */
  add(client: string, authenticator: Uint8Array, now: number, expires: number): boolean;
}

interface Remembered {
  readonly client: string;
  readonly expires: number;
}

export function createReplayCache(options: ReplayCacheOptions = {}): ReplayCache {
  const { capacity = 131_072, capacityPerClient = 8192 } = options;
  // In the order of arrival, which is nearly that of expiry.
  const seen = new Map<string, Remembered>();
  const counts = new Map<string, number>();
  const forget = (key: string, client: string) => {
    seen.delete(key);
    const left = (counts.get(client) ?? 1) - 1;
    if (left === 0) counts.delete(client);
    else counts.set(client, left);
  };
  return {
    add(client, authenticator, now, expires) {
      for (const [key, entry] of seen) {
        if (entry.expires >= now) break;
        forget(key, entry.client);
      }
      const key = createHash('sha256').update(authenticator).digest('base64').slice(0, 24);
      if (seen.has(key)) return false;
      const count = counts.get(client) ?? 0;
      if (seen.size >= capacity || count >= capacityPerClient) throw new CarmineError('auth/throttled');
      seen.set(key, { client, expires });
      counts.set(client, count + 1);
      return true;
    },
  };
}
