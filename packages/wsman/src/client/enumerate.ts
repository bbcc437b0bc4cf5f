import type { CallOptions } from '@carmine/core';
import { CarmineError, isCarmineError } from '@carmine/errors';
import { actions, namespaces } from '../protocol/names.ts';
import { trimmedText, type XmlElement } from '../xml/element.ts';
import { XmlWriter } from '../xml/writer.ts';
import type { Ask } from './ask.ts';

/**
 * Runs an enumeration to its end, one batch after the other (DSP0226 section 8). A server that has nothing yet says so
 * with w:TimedOut or an empty batch; it is asked again, though not for ever. Who stops early releases the context. The first
 * batch is a small one: who waits for the first item does not wait for a thousand.
 */
export async function* enumerateItems(
  ask: Ask,
  resourceUri: string,
  /** Further children of n:Enumerate, written. */
  extra: string,
  batchSize: number,
  options: CallOptions | undefined,
): AsyncIterable<XmlElement> {
  const start = new XmlWriter().start('n:Enumerate').empty('w:OptimizeEnumeration');
  start
    .element('w:MaxElements', String(Math.min(batchSize, firstBatch)))
    .append(extra)
    .end('n:Enumerate');
  const message = { action: actions.enumerate, resourceUri, body: start.toString(), idempotent: true };
  let batch = readBatch(await ask(message, options));
  let quiet = 0;
  let context = batch.context;
  try {
    for (;;) {
      yield* batch.items;
      quiet = batch.items.length > 0 ? 0 : quiet + 1;
      context = batch.context;
      if (context === undefined) return;
      if (quiet > patience)
        throw new CarmineError('wsman/unexpected', { context: { reason: 'an endless enumeration' } });
      batch = await pull(ask, resourceUri, context, batchSize, options);
    }
  } finally {
    if (context !== undefined) await release(ask, resourceUri, context);
  }
}

interface Batch {
  readonly items: readonly XmlElement[];
  /** Undefined when the enumeration is over. */
  readonly context: string | undefined;
}

async function pull(
  ask: Ask,
  resourceUri: string,
  context: string,
  batchSize: number,
  options: CallOptions | undefined,
): Promise<Batch> {
  const body = new XmlWriter().start('n:Pull').element('n:EnumerationContext', context);
  body.element('n:MaxElements', String(batchSize)).end('n:Pull');
  try {
    // A Pull that got lost has taken its items with it: it must not be repeated.
    const message = { action: actions.pull, resourceUri, body: body.toString(), idempotent: false };
    return readBatch(await ask(message, options));
  } catch (error) {
    if (isCarmineError(error, 'wsman/timed-out') && error.context['fault'] === true) return { items: [], context };
    throw error;
  }
}

/** The consumer has what he wanted; whether the server hears of it does not matter to him. */
async function release(ask: Ask, resourceUri: string, context: string): Promise<void> {
  const body = new XmlWriter().start('n:Release').element('n:EnumerationContext', context).end('n:Release').toString();
  try {
    await ask({ action: actions.release, resourceUri, body, idempotent: false }, undefined);
  } catch {
    // It expires by itself.
  }
}

/**
 * Over when EndOfSequence is there or the context is empty, whichever comes: some servers send the context on, some
 * leave out the end (spec: section 13).
 */
function readBatch(response: XmlElement | undefined): Batch {
  if (response === undefined) throw new CarmineError('wsman/unexpected', { context: { reason: 'an empty body' } });
  const find = (local: string): XmlElement | undefined =>
    response.children.find((item) => item.local === local && (item.uri === namespaces.n || item.uri === namespaces.w));
  const items = (find('Items')?.children ?? []).map((item) =>
    item.local === 'Item' && item.uri === namespaces.w ? (item.children[0] ?? item) : item,
  );
  const context = trimmedText(find('EnumerationContext')) ?? '';
  return { items, context: find('EndOfSequence') !== undefined || context === '' ? undefined : context };
}

/** Items of the first batch. */
const firstBatch = 20;
/** Batches without an item that are taken in a row. */
const patience = 20;
