import { type ListenAddress, parseAddress } from './address.ts';

/** How one key's value is read: TOML value or environment text in, typed value out, or the reason why not. */
export interface ValueReader<T> {
  readonly read: (value: unknown) => { readonly value: T } | { readonly reason: string };
  /** Text of an environment variable to what TOML would have given. */
  readonly fromText: (text: string) => unknown;
}

const ok = <T>(value: T) => ({ value });
const no = (reason: string) => ({ reason });
const asIs = (text: string) => text;

export const textValue: ValueReader<string> = {
  read: (value) => (typeof value === 'string' && value !== '' ? ok(value) : no('expected a text')),
  fromText: asIs,
};
export const pathValue: ValueReader<string> = {
  read: (value) => (typeof value === 'string' && value.startsWith('/') ? ok(value) : no('expected an absolute path')),
  fromText: asIs,
};
export const principalValue: ValueReader<string> = {
  read: (value) =>
    typeof value === 'string' && /^[^\s@]+@[^\s@]+$/.test(value)
      ? ok(value)
      : no('expected a principal, "host/name@REALM"'),
  fromText: asIs,
};
export const booleanValue: ValueReader<boolean> = {
  read: (value) => (typeof value === 'boolean' ? ok(value) : no('expected true or false')),
  fromText: (text) => (text === 'true' ? true : text === 'false' ? false : text),
};
export const addressValue: ValueReader<ListenAddress> = {
  read: (value) => {
    const address = typeof value === 'string' ? parseAddress(value) : undefined;
    return address === undefined ? no('expected "host:port"') : ok(address);
  },
  fromText: asIs,
};

/** `host:port`, or a network as `192.0.2.0/24`. */
export const pushTargetValue: ValueReader<string> = {
  read: (value) => {
    if (typeof value !== 'string') return no('expected a text');
    const isNetwork = /^(\d{1,3}(\.\d{1,3}){3}\/\d{1,2}|[0-9a-f:]*:[0-9a-f:.]*\/\d{1,3})$/i.test(value);
    const address = parseAddress(value);
    return isNetwork || (address !== undefined && address.port > 0)
      ? ok(value)
      : no('expected "host:port" or a network such as "192.0.2.0/24"');
  },
  fromText: asIs,
};

/** A line of a timetable of rates: `[days] HH:MM-HH:MM RATE`. */
export const ratePeriodValue: ValueReader<string> = {
  read: (value) =>
    typeof value === 'string' &&
    /^(?:[0-6](?:[-,][0-6])*\s+)?(?:[01]\d|2[0-4]):[0-5]\d-(?:[01]\d|2[0-4]):[0-5]\d\s+(?:\d{1,15}|unlimited)$/.test(
      value,
    )
      ? ok(value)
      : no('expected "[days] HH:MM-HH:MM BYTES_PER_SECOND", days as "1-5", "unlimited" for no limit'),
  fromText: asIs,
};

export function integerValue(low: number, high: number): ValueReader<number> {
  return {
    read: (value) => {
      const number = typeof value === 'bigint' ? Number(value) : value;
      const fits = typeof number === 'number' && Number.isInteger(number) && number >= low && number <= high;
      return fits ? ok(number) : no(`expected an integer from ${low} to ${high}`);
    },
    fromText: (text) => (/^\d+$/.test(text) ? Number(text) : text),
  };
}

export function oneOf<T extends string>(choices: readonly T[]): ValueReader<T> {
  return {
    read: (value) => {
      const found = choices.find((choice) => choice === value);
      return found === undefined
        ? no(`expected one of ${choices.map((choice) => `"${choice}"`).join(', ')}`)
        : ok(found);
    },
    fromText: asIs,
  };
}

/** In an environment variable, items are separated by commas. */
export function listOf<T>(item: ValueReader<T>): ValueReader<readonly T[]> {
  return {
    read: (value) => {
      if (!Array.isArray(value)) return no('expected a list');
      const items: T[] = [];
      for (const entry of value) {
        const done = item.read(entry);
        if ('reason' in done) return no(`in the list: ${done.reason}`);
        items.push(done.value);
      }
      return ok(items);
    },
    fromText: (text) => text.split(',').map((part) => item.fromText(part.trim())),
  };
}
