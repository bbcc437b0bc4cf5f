import type { Door } from './doors.ts';
import type { LineAnswer } from './line.ts';
import type { Scene } from './scene.ts';

/** One way to break authentication. Returns the answers to everything that must be refused. */
export interface Attack {
  readonly kind: string;
  /** Where it makes sense; everywhere unless given. */
  readonly at?: ((door: Door) => boolean) | undefined;
  run(scene: Scene): Promise<readonly LineAnswer[]>;
}
