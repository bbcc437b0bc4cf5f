import type { Misbehaviour } from '../misbehaviour.ts';
import { connections } from './connections.ts';
import { framing } from './framing.ts';
import { ranges } from './ranges.ts';
import { redirects } from './redirects.ts';
import { statuses } from './statuses.ts';
import { validators } from './validators.ts';

/** Everything that an origin does wrong, by topic. */
export const misbehaviours: Readonly<Record<string, readonly Misbehaviour[]>> = {
  statuses,
  ranges,
  validators,
  framing,
  connections,
  redirects,
};
