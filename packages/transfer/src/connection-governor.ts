/** How many connections a transfer has: several at once for a large file, more while that pays, fewer when the server wants that. */
export interface GovernorOptions {
  /** Exactly so many, where the server lets us; undefined: as many as pay. */
  readonly fixed: number | undefined;
  /** Bytes from which on a file is large on a quick network. */
  readonly largeFile: number;
}

export class ConnectionGovernor {
  readonly #fixed: number | undefined;
  readonly #largeFile: number;
  #target = 1;
  /** More than that the server refused, until `#capUntil`. */
  #cap = Number.POSITIVE_INFINITY;
  #capUntil = 0;
  /** The attempt to do better with more of them. */
  #trial: { readonly before: number; readonly rate: number } | undefined;
  /** More connections did not pay although the way was free; it was left at that once. */
  #doubted = false;
  #sample: { from: number; bytes: number } | undefined;
  #nextSample = 0;
  /** A digest follows from near: one connection, more only where that brings little. */
  #inOrder = false;
  /** What a file of this size gets on a quick network. */
  #few = 1;
  /** Connections have waited for us since then, and for so long before that in this sample. */
  #crowdedSince: number | undefined;
  #crowdedFor = 0;

  constructor({ fixed, largeFile }: GovernorOptions) {
    this.#fixed = fixed;
    this.#largeFile = largeFile;
    if (fixed !== undefined) this.#target = fixed;
  }

  /**
   * The server answered after `latency` milliseconds, and was connected after `connected`; `left` bytes are to be fetched. `inOrder`: a digest follows what
   * comes, so that one connection, where it is enough, saves keeping or reading again what others bring early.
   */
  begin(latency: number, left: number, now: number, { inOrder = false, connected = latency } = {}): void {
    this.#nextSample = now + settling;
    if (this.#fixed !== undefined) return;
    this.#inOrder = false;
    if (latency >= farAway) {
      this.#target = Math.min(farConnections, Math.max(1, Math.floor(left / farShare)));
      return;
    }
    const few = left < this.#largeFile ? 1 : quickConnections;
    // A server that was busy for a moment is not further away.
    this.#inOrder = inOrder && Math.min(latency, connected) < veryNear && few > 1;
    if (this.#inOrder) this.#nextSample = now;
    else this.#target = few;
    this.#few = few;
  }

  /** Connections that may be open now. */
  target(now: number): number {
    if (now >= this.#capUntil) this.#cap = Number.POSITIVE_INFINITY;
    return Math.max(1, Math.min(this.#target, this.#cap));
  }

  /** What a file is shared by. */
  get wanted(): number {
    return this.#target;
  }

  /** The server did not want one more than these; we do not ask again for a while, and not within `told` milliseconds. */
  refused(live: number, now: number, told = 0): void {
    const milliseconds = Math.max(patience, told);
    this.#cap = Math.max(1, live);
    this.#capUntil = Math.max(this.#capUntil, now + milliseconds);
    this.#trial = undefined;
    this.#target = this.#fixed ?? Math.max(1, Math.min(this.#target, live));
    this.#nextSample = now + milliseconds;
    this.#sample = undefined;
  }

  /** All connections wait until we are done with what came, or no longer do: more of them would not bring more. */
  crowded(waits: boolean, now: number): void {
    if (waits) {
      this.#crowdedSince ??= now;
    } else if (this.#crowdedSince !== undefined) {
      this.#crowdedFor += now - this.#crowdedSince;
      this.#crowdedSince = undefined;
    }
  }

  /**
   * Called now and then while `live` connections receive; `received` counts all bytes so far. `free`: nothing waits in the way
   * (`AnswerTimes`). True: open more.
   */
  observe(received: number, live: number, now: number, free: boolean): boolean {
    if (this.#fixed !== undefined || now < this.#nextSample || live < this.#target) return false;
    if (this.#sample === undefined) {
      this.#sample = { from: now, bytes: received };
      this.#nextSample = now + (this.#beginning ? soon : measuring);
      this.#crowdedFor = 0;
      if (this.#crowdedSince !== undefined) this.#crowdedSince = now;
      return false;
    }
    const span = Math.max(1, now - this.#sample.from);
    const rate = ((received - this.#sample.bytes) * 1_000) / span;
    const crowdedFor = this.#crowdedFor + (this.#crowdedSince === undefined ? 0 : now - this.#crowdedSince);
    this.#sample = undefined;
    if (crowdedFor > span * oftenCrowded) return this.#suffice(now);
    const trial = this.#trial;
    this.#trial = undefined;
    if (trial !== undefined) {
      const promised = trial.rate * (1 + (this.#target / trial.before - 1) * worthwhile);
      // Connections start much faster than lossy ways let them go on, so that the first comparison may mislead.
      if (rate < promised && free && !this.#doubted && !this.#beginning) {
        this.#doubted = true;
        this.#nextSample = now;
        return false;
      }
      if (rate < promised) {
        // It did not pay: those that are too many end with what they have.
        this.#target = trial.before;
        this.#nextSample = now + patience;
        return false;
      }
      this.#doubted = false;
    }
    if (this.#inOrder && rate > plenty) return false;
    const more = this.#beginning
      ? Math.min(this.#few, this.#target * freeGrowth)
      : Math.min(maximumConnections, Math.ceil(this.#target * (free ? freeGrowth : growth)));
    this.#nextSample = now + (more === this.#target ? patience : this.#beginning ? soon : settling);
    if (more <= this.#target) return false;
    this.#trial = { before: this.#target, rate };
    this.#target = more;
    return true;
  }

  /** A digest follows, which fewer connections than usual may be enough for; so near, they are as fast as they get at once. */
  get #beginning(): boolean {
    return this.#inOrder && this.#target < this.#few;
  }

  /** The network brings more than we take. */
  #suffice(now: number): false {
    if (this.#trial !== undefined) {
      this.#target = this.#trial.before;
      this.#nextSample = now + patience;
    }
    this.#trial = undefined;
    return false;
  }
}

/** Milliseconds from question to answer, above which a connection takes long to get going. */
const farAway = 20;
/** Below that one connection does 500 MB/s with the receive buffers that systems allow. */
const veryNear = 5;
/** Bytes per second: what comes in order so fast is not kept waiting by the network. */
const plenty = 200e6;
/** On a quick network one is nearly enough; far away the first one would be alone for too long. */
const quickConnections = 3;
const farConnections = 16;
/** UNSPECIFIED. Other programs stop at 16; with packets lost each one more brings its full share. */
const maximumConnections = 32;
/** Bytes for each connection to a far server, at least. */
const farShare = 1024 * 1024;
const growth = 1.5;
/** Where nothing waits in the way. */
const freeGrowth = 2;
/** Part of the proportional gain that makes more connections worth having. */
const worthwhile = 0.5;
/** Milliseconds: until new connections have reached their speed, for a measurement, and after a change that did not pay. */
const settling = 1_000;
const measuring = 1_000;
const patience = 15_000;
/** The same for few that a digest follows from near. */
const soon = 250;
/** Part of a sample in which connections waited for our disk, digest or processor, from which on those are what is slow. */
const oftenCrowded = 0.25;
