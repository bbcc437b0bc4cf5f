import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  bitsClientFileClass,
  bitsClientJobClass,
  bitsCompactServerUrlGroupClass,
  type CimClass,
  carmineEndedJobClass,
  carmineJobFileClass,
  carmineUrlClass,
  userAccountClass,
  writeMof,
} from '../src/index.ts';

const bitsClasses = [bitsClientFileClass, bitsClientJobClass, bitsCompactServerUrlGroupClass];
const carmineClasses = [carmineEndedJobClass, carmineJobFileClass, carmineUrlClass, userAccountClass];

describe('MOF', () => {
  // Written anew by `vitest run --project @carmine/cim -u`; what changes is to be read in the diff.
  it('of the BITS classes is the golden file', async () => {
    await expect(writeMof(bitsClasses)).toMatchFileSnapshot('golden/bits.mof');
  });

  it.each([
    ['the golden file', bitsClasses, () => readFileSync(new URL('golden/bits.mof', import.meta.url), 'utf8')],
    ["Carmine's own classes", carmineClasses, () => writeMof(carmineClasses)],
  ])('%s parses, and has every class, property, method and parameter', (_what, classes, text) => {
    expect(parseMof(text())).toEqual(classes.map(outline));
  });

  it('escapes quotes and backslashes', () => {
    const cls: CimClass = { ...bitsClientFileClass, description: 'a "b" \\ c', properties: [], methods: [] };
    expect(writeMof([cls])).toContain('Description("a \\"b\\" \\\\ c")');
    expect(parseMof(writeMof([cls]))).toEqual([outline(cls)]);
  });
});

interface Outline {
  readonly namespace: string;
  readonly name: string;
  readonly members: readonly string[];
}

/** `string Name`, `string Name[]`, `uint32 Method(in string A, out uint8 B[])`; keys are marked. */
function outline(cls: CimClass): Outline {
  const type = (name: string) => (name === 'object' ? 'string' : name);
  return {
    namespace: cls.namespace,
    name: cls.name,
    members: [
      ...cls.properties.map((p) => `${p.key ? 'key ' : ''}${type(p.type)} ${p.name}${p.array ? '[]' : ''}`),
      ...cls.methods.map((method) => {
        const parameters = method.parameters.map(
          (p, id) => `${id} ${p.direction} ${type(p.type)} ${p.name}${p.array ? '[]' : ''}`,
        );
        return `${method.isStatic ? 'static ' : ''}uint32 ${method.name}(${parameters.join(', ')})`;
      }),
    ],
  };
}

/** A reader of the part of DSP0004's grammar that is used here; throws on anything else. */
function parseMof(text: string): Outline[] {
  const tokens = [
    ...text.matchAll(/\s*(#pragma namespace|"(?:[^"\\]|\\.)*"|[A-Za-z_]\w*|\d+|\[\]|[[\](){},;])|\s*(\S)/g),
  ].map(([, token, bad]) => {
    if (bad !== undefined) throw new Error(`unexpected ${bad}`);
    return token ?? '';
  });
  let at = 0;
  const take = (expected?: string) => {
    const token = tokens[at++];
    if (token === undefined || (expected !== undefined && token !== expected))
      throw new Error(`expected ${expected} at token ${at}, found ${token}`);
    return token;
  };
  const takeIf = (token: string) => tokens[at] === token && at++ >= 0;
  const qualifiers = () => {
    const found = new Map<string, string | undefined>();
    take('[');
    do {
      const name = take();
      found.set(name, undefined);
      if (takeIf('(')) {
        found.set(name, take());
        take(')');
      }
    } while (takeIf(','));
    take(']');
    return found;
  };
  const word = () => {
    const token = take();
    if (!/^[A-Za-z_]\w*$/.test(token)) throw new Error(`expected a name, found ${token}`);
    return token;
  };
  const declaration = () => `${word()} ${word()}`;
  const classes: Outline[] = [];
  let namespace = '';
  while (at < tokens.length) {
    if (takeIf('#pragma namespace')) {
      take('(');
      namespace = (JSON.parse(take()) as string).replace(/^\\\\\.\\/, '');
      take(')');
      continue;
    }
    qualifiers();
    take('class');
    const name = word();
    const members: string[] = [];
    take('{');
    while (!takeIf('}')) {
      const marks = qualifiers();
      const prefix = marks.has('Key') ? 'key ' : marks.has('Static') ? 'static ' : '';
      const head = declaration();
      if (takeIf('(')) {
        const parameters: string[] = [];
        while (!takeIf(')')) {
          if (parameters.length > 0) take(',');
          const parameterMarks = qualifiers();
          if (parameterMarks.has('In') === parameterMarks.has('Out')) throw new Error('In or Out');
          const direction = parameterMarks.has('In') ? 'in' : 'out';
          parameters.push(`${parameterMarks.get('ID')} ${direction} ${declaration()}${takeIf('[]') ? '[]' : ''}`);
        }
        members.push(`${prefix}${head}(${parameters.join(', ')})`);
      } else members.push(`${prefix}${head}${takeIf('[]') ? '[]' : ''}`);
      take(';');
    }
    take(';');
    classes.push({ namespace, name, members });
  }
  return classes;
}
