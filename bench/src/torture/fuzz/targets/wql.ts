import { parseWql } from '@carmine/cim';
import { isCarmineError } from '@carmine/errors';
import { bytesOf, type FuzzTarget, textOf } from '../target.ts';

const queries = [
  'SELECT * FROM BitsClientJob',
  "select JobId, State from BitsClientJob where State = 4 and (DisplayName like '%a_[b-c]\\'%' or not Priority <> 1e3)",
  'SELECT * FROM BitsClientJob WHERE BytesTotal >= -18446744073709551616 AND Description IS NOT NULL OR "x" != Owner',
  `select * from A where ${'not ('.repeat(20)}x isa "y"${')'.repeat(20)}`,
];

/** WQL; its errors are all `cim/invalid-query`. */
export function wqlTarget(): FuzzTarget {
  return {
    seeds: queries.map((query) => ({
      name: 'wql',
      input: bytesOf(query),
      feed(input) {
        parseWql(textOf(input));
        return undefined;
      },
    })),
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
      ' ',
      '<=',
    ],
    // Beyond the parser's own limit of 16,384 characters.
    maximum: 20_000,
    documented: (error) => isCarmineError(error, 'cim/invalid-query'),
  };
}
