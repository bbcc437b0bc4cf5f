import { parseEventWql, parseWql } from '@carmine/cim';
import { isCarmineError } from '@carmine/errors';
import { bytesOf, type FuzzSeed, type FuzzTarget, textOf } from '../target.ts';

const queries = [
  'SELECT * FROM BitsClientJob',
  "select JobId, State from BitsClientJob where State = 4 and (DisplayName like '%a_[b-c]\\'%' or not Priority <> 1e3)",
  'SELECT * FROM BitsClientJob WHERE BytesTotal >= -18446744073709551616 AND Description IS NOT NULL OR "x" != Owner',
  "select __CLASS from A where __RELPATH like 'C:\\\\a[^%_=z]%' or p = -0xFf",
  `select * from A where ${'not ('.repeat(20)}x isa "y"${')'.repeat(20)}`,
];

const eventQueries = [
  "SELECT * FROM __InstanceModificationEvent WITHIN 2 WHERE TargetInstance ISA 'BitsClientJob' AND TargetInstance.State <> PreviousInstance.State",
  "select TargetInstance, TIME_CREATED from __InstanceOperationEvent within 0.5 where not (TargetInstance isa 'A' or 1 < TargetInstance.B)",
];

/** WQL; its errors are all `cim/invalid-query`. */
export function wqlTarget(): FuzzTarget {
  return {
    seeds: [...seedsOf('wql', queries, parseWql), ...seedsOf('wql of events', eventQueries, parseEventWql)],
    dictionary: [
      'SELECT',
      ' FROM ',
      ' WHERE ',
      ' AND ',
      ' OR ',
      'NOT ',
      '(',
      ')',
      "'",
      '"',
      '\\',
      'NULL',
      ' IS ',
      ' WITHIN ',
      ' GROUP ',
      'TargetInstance.',
      ' ',
      '<=',
    ],
    // Beyond the parser's own limit of 16,384 characters.
    maximum: 20_000,
    documented: (error) => isCarmineError(error, 'cim/invalid-query'),
  };
}

function seedsOf(name: string, texts: readonly string[], parse: (text: string) => unknown): FuzzSeed[] {
  return texts.map((text) => ({
    name,
    input: bytesOf(text),
    feed(input) {
      parse(textOf(input));
      return undefined;
    },
  }));
}
