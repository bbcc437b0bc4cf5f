import type { SmallSetPlatform } from '../small-set.ts';
import { nodePlatform } from './platform.ts';
import { sha256 } from './sha256.ts';

/** The operating system's files and clock, for small files that come whole. */
export function smallSetPlatform(): SmallSetPlatform {
  const { disk, clock } = nodePlatform();
  return { disk, clock, sha256 };
}
