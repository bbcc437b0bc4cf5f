import type { CimValue } from '@carmine/cim';
import type { CallOptions } from '@carmine/core';
import type { XmlElement } from '../xml/element.ts';

/** One message of the client: what is asked of which resource. */
interface Message {
  readonly action: string;
  readonly resourceUri: string;
  readonly selectors?: Iterable<readonly [string, CimValue]> | undefined;
  /** e:Identifier of the subscription that the message is about. */
  readonly identifier?: string | undefined;
  readonly body: string;
  readonly idempotent: boolean;
}

/** Sends a message and returns the child of the answer's body. */
export type Ask = (message: Message, options: CallOptions | undefined) => Promise<XmlElement | undefined>;
