import { type PreparedFields, prepareFields, type ResponseFields } from '@carmine/http1';
import { blockListLink, hasBlockList } from '../block-list.ts';
import type { PublishedUrl } from '../group.ts';
import { rangeFields } from '../plan-response.ts';
import type { DigestSource } from '../shells.ts';
import { type FileVersion, validatorsOf } from '../validators.ts';

/** What answers say of a version of a file; of its digests as soon as they are known. */
export class FileFacts {
  readonly #digests: DigestSource;
  readonly #prepared = new WeakMap<FileVersion, Prepared>();

  constructor(digests: DigestSource) {
    this.#digests = digests;
  }

  of(url: PublishedUrl, version: FileVersion) {
    const digests = this.#digests.get(url.sourcePath, version);
    const facts = { size: version.size, validators: validatorsOf(version), sha256: digests?.sha256 };
    return { facts, link: digests !== undefined && hasBlockList(digests) ? link : [] };
  }

  /** What every answer with one range of this version has, written once. */
  prepared(url: PublishedUrl, version: FileVersion): PreparedFields {
    const { facts, link } = this.of(url, version);
    let known = this.#prepared.get(version);
    if (known === undefined || known.sha256 !== facts.sha256) {
      known = { sha256: facts.sha256, fields: prepareFields([...rangeFields(facts), ...link]) };
      this.#prepared.set(version, known);
    }
    return known.fields;
  }
}

interface Prepared {
  readonly sha256: Uint8Array | undefined;
  readonly fields: PreparedFields;
}

const link: ResponseFields = [['Link', blockListLink]];
