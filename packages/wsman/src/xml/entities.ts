import { CarmineError } from '@carmine/errors';

/** Replaces the five predefined entities and numeric references; anything else that starts with `&` is refused. */
export function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&([^;&]{0,10});?/g, (whole, name: string) => {
    const known = whole.endsWith(';') ? predefined[name] : undefined;
    if (known !== undefined) return known;
    const match = whole.endsWith(';') ? /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name) : null;
    if (match === null) throw new CarmineError('wsman/malformed', { context: { reason: 'an unknown entity' } });
    const code = match[1] !== undefined ? Number.parseInt(match[1], 16) : Number(match[2]);
    if (!isCharacter(code))
      throw new CarmineError('wsman/malformed', { context: { reason: 'a reference to an illegal character' } });
    return String.fromCodePoint(code);
  });
}

/** XML 1.0 section 2.2 Char. */
function isCharacter(code: number): boolean {
  return (
    code === 9 ||
    code === 10 ||
    code === 13 ||
    (code >= 0x20 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    (code >= 0x1_0000 && code <= 0x10_ffff)
  );
}

const predefined: Readonly<Record<string, string>> = Object.assign(Object.create(null) as object, {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
});
