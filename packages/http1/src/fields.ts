/** The fields of a head, in their order, names in lower case. */
export class Fields {
  #names: string[] = [];
  #values: string[] = [];

  /** `name`: in lower case. */
  add(name: string, value: string): void {
    this.#names.push(name);
    this.#values.push(value);
  }

  get size(): number {
    return this.#names.length;
  }

  /** The value of a field; several of that name joined by `, ` (RFC 9110 section 5.3). Undefined when there is none. */
  get(name: string): string | undefined {
    const names = this.#names;
    const first = names.indexOf(name);
    if (first < 0) return undefined;
    let value = this.#values[first]!;
    for (let at = names.indexOf(name, first + 1); at >= 0; at = names.indexOf(name, at + 1))
      value += `, ${this.#values[at]}`;
    return value;
  }

  /** The same fields, with another value in the first one of that name. */
  with(name: string, value: string): Fields {
    const fields = new Fields();
    fields.#names = this.#names.slice();
    fields.#values = this.#values.slice();
    const at = fields.#names.indexOf(name);
    if (at >= 0) fields.#values[at] = value;
    return fields;
  }

  /** How many fields of that name there are. */
  count(name: string): number {
    let count = 0;
    for (const each of this.#names) if (each === name) count++;
    return count;
  }

  *[Symbol.iterator](): IterableIterator<readonly [name: string, value: string]> {
    for (let at = 0; at < this.#names.length; at++) yield [this.#names[at]!, this.#values[at]!];
  }
}
