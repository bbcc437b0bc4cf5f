import type { HeadLimits } from './limits.ts';
import { parseRequestHead, type RequestFault, type RequestHead } from './request-head.ts';

/**
 * A client sends much the same head with every request of a connection; one that fetches range after range, all but the numbers
 * in Range. Such a head is known again, and is not parsed anew.
 */
export class HeadMemory {
  #head: RequestHead | undefined;
  /** The head, but for the numbers of its range, if it has one. */
  #before = '';
  #after = '';

  /** As `parseRequestHead`. */
  parse(text: string, limits: HeadLimits): RequestHead | RequestFault {
    const known = this.#recall(text, limits);
    if (known !== undefined) return known;
    const head = parseRequestHead(text, limits);
    if (typeof head !== 'number') this.#remember(text, head);
    return head;
  }

  #recall(text: string, limits: HeadLimits): RequestHead | undefined {
    const [before, after, head] = [this.#before, this.#after, this.#head];
    const end = text.length - after.length;
    if (head === undefined || text.length > limits.head || end < before.length) return undefined;
    if (!text.startsWith(before) || !text.endsWith(after)) return undefined;
    if (after === '') return end === before.length ? head : undefined;
    const numbers = text.slice(before.length, end);
    // Of other characters the parser judges.
    if (!plainNumbers.test(numbers)) return undefined;
    return { ...head, fields: head.fields.with('range', unit + numbers) };
  }

  #remember(text: string, head: RequestHead): void {
    if (text.length > longest) return;
    const range = head.fields.get('range');
    this.#head = head;
    [this.#before, this.#after] = [text, ''];
    if (range === undefined) return;
    const at = text.indexOf(range);
    const numbers = range.slice(unit.length);
    // What is there twice, or is several, could be read in two ways.
    const plain = range.startsWith(unit) && plainNumbers.test(numbers) && text.lastIndexOf(range) === at;
    if (!plain) return;
    this.#before = text.slice(0, at + unit.length);
    this.#after = text.slice(at + range.length);
  }
}

const unit = 'bytes=';
const plainNumbers = /^\d{1,16}-\d{0,16}$/;
/** Characters; more is not kept for a connection. */
const longest = 1024;
