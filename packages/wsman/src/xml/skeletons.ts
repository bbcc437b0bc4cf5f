import type { XmlElement } from './element.ts';
import type { XmlLimits } from './limits.ts';
import { parseDocument } from './parse.ts';

/**
 * Parses documents of which most have the markup of an earlier one, as a client's requests do: only texts differ. Of a document
 * that was parsed its markup is kept, and none of its texts; the next one that is the same octet by octet, but for plain texts where
 * the first one had plain texts, gets the same elements with its own texts.
 */
export class Skeletons {
  readonly #limits: XmlLimits;
  /** Those that were of use last come first. */
  readonly #known: Skeleton[] = [];

  constructor(limits: XmlLimits) {
    this.#limits = limits;
  }

  /** As `parseXml`. */
  parse(text: string): XmlElement {
    if (text.length > longest) return parseDocument(text, this.#limits).root;
    for (let index = 0; index < this.#known.length; index++) {
      const known = this.#known[index]!;
      const texts = textsOf(known, text, this.#limits.textLength);
      if (texts === undefined) continue;
      if (index > 0) {
        this.#known.splice(index, 1);
        this.#known.unshift(known);
      }
      return filled(known.root, texts);
    }
    const { root, leaves, nodes } = parseDocument(text, this.#limits);
    // A text where the first document had none counts, too.
    const skeleton = nodes + leaves.length > this.#limits.nodes ? undefined : skeletonOf(text, root, leaves);
    if (skeleton !== undefined) {
      this.#known.unshift(skeleton);
      if (this.#known.length > mostKnown) this.#known.pop();
    }
    return root;
  }
}

interface Skeleton {
  /** What stands before, between and behind the texts. */
  readonly markup: readonly string[];
  readonly root: Bone;
}

/** An element whose text is `text`th of those that vary, or one that contains such, or one that never changes. */
interface Bone {
  readonly element: XmlElement;
  readonly text: number | undefined;
  readonly children: readonly Bone[] | undefined;
}

/** Undefined when the document has texts that are not plain: nothing of what it says is kept. */
function skeletonOf(text: string, root: XmlElement, leaves: readonly number[]): Skeleton | undefined {
  const markup: string[] = [];
  const varying = new Map<number, number>();
  let at = 0;
  for (let index = 0; index < leaves.length; index += 3) {
    const [element, from, to] = [leaves[index]!, leaves[index + 1]!, leaves[index + 2]!];
    if (!plain.test(text.slice(from, to))) continue;
    varying.set(element, markup.length);
    markup.push(text.slice(at, from));
    at = to;
  }
  markup.push(text.slice(at));
  let count = 0;
  let silent = true;
  const visit = (element: XmlElement): Bone => {
    const number = varying.get(count++);
    if (number !== undefined) return { element: { ...element, text: '' }, text: number, children: undefined };
    if (element.text.trim() !== '') silent = false;
    const bones = element.children.map(visit);
    if (!bones.some((bone) => bone.text !== undefined || bone.children !== undefined))
      return { element, text: undefined, children: undefined };
    return { element: { ...element, children: [] }, text: undefined, children: bones };
  };
  const bones = visit(root);
  return silent ? { markup, root: bones } : undefined;
}

/** The texts of a document that has this markup; undefined when it has another one. */
function textsOf({ markup }: Skeleton, text: string, textLength: number): string[] | undefined {
  const texts: string[] = [];
  const last = markup.length - 1;
  let at = 0;
  for (let index = 0; index < last; index++) {
    const before = markup[index]!;
    if (!text.startsWith(before, at)) return undefined;
    at += before.length;
    plainRun.lastIndex = at;
    plainRun.test(text);
    const end = plainRun.lastIndex;
    if (text.charCodeAt(end) !== lessThan || end - at > textLength) return undefined;
    texts.push(text.slice(at, end));
    at = end;
  }
  const rest = markup[last]!;
  return text.length - at === rest.length && text.endsWith(rest) ? texts : undefined;
}

function filled({ element, text, children }: Bone, texts: readonly string[]): XmlElement {
  const { uri, local, attributes, scope } = element;
  if (text !== undefined) return { uri, local, attributes, children: element.children, text: texts[text]!, scope };
  if (children === undefined) return element;
  return { uri, local, attributes, children: children.map((bone) => filled(bone, texts)), text: element.text, scope };
}

/** Printable ASCII that means itself: no markup, no references, no line ends. */
const plain = /^[ -%'-;=?-~]*$/;
const plainRun = /[ -%'-;=?-~]*/y;
const lessThan = 0x3c;
/** Characters. */
const longest = 8_192;
const mostKnown = 16;
