import { createHash } from 'node:crypto';
import type { SmallSetPlatform } from '../small-set.ts';
import { nodePlatform } from './platform.ts';

/** The operating system's files and clock, for small files that come whole. */
export function smallSetPlatform(): SmallSetPlatform {
  const { disk, clock } = nodePlatform();
  return {
    disk,
    clock,
    sha256(chunks) {
      const hash = createHash('sha256');
      for (const chunk of chunks) hash.update(chunk);
      return hash.digest('hex');
    },
  };
}
