import { CarmineError } from '@carmine/errors';
import type { Token } from '@carmine/security';
import { guidOf } from '@carmine/wire';
import { iids } from '../identifiers.ts';
import type { StandardReference } from '../messages/objref.ts';
import { type DcomLimits, type DcomObject, emptyInterface, type Implementation } from './types.ts';

/** An exported object, [MS-DCOM] 3.1.1.1 OID table. */
export interface ExportedObject {
  readonly oid: bigint;
  readonly object: DcomObject;
  /** SID of who got it: nobody else may use it. */
  readonly owner: string;
  readonly interfaces: Map<string, ExportedInterface>;
  /** Connections that used it; when the last one ends it does not wait for the pings that will not come. */
  readonly connections: Set<number>;
  /** When it was last called, pinged, or lost its last connection. */
  used: number;
  running: number;
  orphaned: boolean;
}

/** An IPID, [MS-DCOM] 3.1.1.1. */
export interface ExportedInterface {
  readonly ipid: string;
  readonly implementation: Implementation;
  readonly owner: ExportedObject;
  publicRefs: number;
  privateRefs: number;
}

export interface ObjectTableOptions {
  readonly now: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly limits: DcomLimits;
}

/** What this process exports: objects by OID, interfaces by IPID, and their references ([MS-DCOM] 3.1.1.5.6). */
export class ObjectTable {
  readonly oxid: bigint;
  readonly #options: ObjectTableOptions;
  readonly #byOid = new Map<bigint, ExportedObject>();
  readonly #byIpid = new Map<string, ExportedInterface>();
  readonly #byObject = new Map<DcomObject, ExportedObject>();
  readonly #perUser = new Map<string, number>();

  constructor(options: ObjectTableOptions) {
    this.#options = options;
    this.oxid = this.#random64();
  }

  get size(): number {
    return this.#byOid.size;
  }

  get objects(): Iterable<ExportedObject> {
    return this.#byOid.values();
  }

  findObject(oid: bigint): ExportedObject | undefined {
    return this.#byOid.get(oid);
  }

  findInterface(ipid: string): ExportedInterface | undefined {
    return this.#byIpid.get(ipid);
  }

  /** Exports an object for a caller, or finds it again. Throws `dcom/too-many-objects`. */
  export(object: DcomObject, { userSid }: Token): ExportedObject {
    const known = this.#byObject.get(object);
    if (known !== undefined) return known;
    const { limits, now } = this.#options;
    const own = this.#perUser.get(userSid) ?? 0;
    if (this.#byOid.size >= limits.objects || own >= limits.objectsPerUser)
      throw new CarmineError('dcom/too-many-objects', { context: { limit: own } });
    this.#perUser.set(userSid, own + 1);
    const exported: ExportedObject = {
      oid: this.#random64(),
      object,
      owner: userSid,
      interfaces: new Map(),
      connections: new Set(),
      used: now(),
      running: 0,
      orphaned: false,
    };
    this.#byOid.set(exported.oid, exported);
    this.#byObject.set(object, exported);
    return exported;
  }

  /** References to an interface of an object; undefined when it has no such interface. */
  reference(exported: ExportedObject, iid: string, refs: number): StandardReference | undefined {
    let found = exported.interfaces.get(iid);
    if (found === undefined) {
      const implementation =
        exported.object.interfaces.find((each) => each.iid === iid) ??
        (iid === iids.unknown ? emptyInterface(iids.unknown) : undefined);
      if (implementation === undefined) return undefined;
      const ipid = guidOf(this.#options.randomBytes(16));
      found = { ipid, implementation, owner: exported, publicRefs: 0, privateRefs: 0 };
      exported.interfaces.set(iid, found);
      this.#byIpid.set(ipid, found);
    }
    found.publicRefs += refs;
    return { flags: 0, publicRefs: refs, oxid: this.oxid, oid: exported.oid, ipid: found.ipid };
  }

  /** Clients release what they do not have; below zero nothing happens. */
  release(found: ExportedInterface, publicRefs: number, privateRefs: number): void {
    found.publicRefs = Math.max(0, found.publicRefs - publicRefs);
    found.privateRefs = Math.max(0, found.privateRefs - privateRefs);
    if (found.publicRefs + found.privateRefs > 0) return;
    const { owner } = found;
    this.#byIpid.delete(found.ipid);
    owner.interfaces.delete(found.implementation.iid);
    if (owner.interfaces.size === 0) this.remove(owner);
  }

  remove(exported: ExportedObject): void {
    if (!this.#byOid.delete(exported.oid)) return;
    this.#byObject.delete(exported.object);
    for (const { ipid } of exported.interfaces.values()) this.#byIpid.delete(ipid);
    exported.interfaces.clear();
    const left = (this.#perUser.get(exported.owner) ?? 1) - 1;
    if (left > 0) this.#perUser.set(exported.owner, left);
    else this.#perUser.delete(exported.owner);
    exported.object.released?.();
  }

  #random64(): bigint {
    const octets = this.#options.randomBytes(8);
    const value = new DataView(octets.buffer, octets.byteOffset, 8).getBigUint64(0, true);
    return value === 0n ? 1n : value;
  }
}
