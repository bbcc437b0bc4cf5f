/** What a head may have; octets and counts. */
export interface HeadLimits {
  /** Of the whole head, the empty line included. More is 431. */
  readonly head: number;
  /** Of the request target. More is 414. */
  readonly target: number;
  /** Fields. More is 431. */
  readonly fields: number;
}

export const defaultHeadLimits: HeadLimits = { head: 16_384, target: 8_192, fields: 100 };
