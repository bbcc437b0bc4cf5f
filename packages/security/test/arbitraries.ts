import fc from 'fast-check';
import { type Ace, controlFlags, formatSid, type SecurityDescriptor } from '../src/index.ts';

const u32 = fc.nat(0xffff_ffff);
const guid = fc.uuid().map((text) => text.toLowerCase());

export const sids = fc
  .record({
    identifierAuthority: fc.oneof(fc.nat(20), fc.nat(2 ** 48 - 1)),
    subAuthorities: fc.array(u32, { minLength: 1, maxLength: 15 }),
  })
  .map(formatSid);

/** SIDs that have letters, and others. */
const likelySids = fc.oneof(
  sids,
  fc.constantFrom('S-1-5-32-544', 'S-1-1-0', 'S-1-3-4', 'S-1-5-11', 'S-1-5-21-1-2-3-500'),
);

function aces(list: 'D' | 'S', flags: fc.Arbitrary<number>): fc.Arbitrary<Ace> {
  const kind =
    list === 'D'
      ? fc.constantFrom('allow' as const, 'deny' as const)
      : fc.constantFrom('audit' as const, 'alarm' as const);
  const common = { kind, flags, mask: u32, sid: likelySids };
  return fc.oneof<fc.Arbitrary<Ace>[]>(
    fc.record({ form: fc.constant('basic' as const), ...common }),
    fc.record({
      form: fc.constant('object' as const),
      ...common,
      objectType: fc.option(guid, { nil: undefined }),
      inheritedObjectType: fc.option(guid, { nil: undefined }),
    }),
  );
}

/** Descriptors that have a text form. */
export const describable: fc.Arbitrary<SecurityDescriptor> = fc.record({
  owner: fc.option(likelySids, { nil: undefined }),
  group: fc.option(likelySids, { nil: undefined }),
  dacl: lists('D'),
  sacl: lists('S'),
  control: fc.constant(0),
  resourceManagerControl: fc.constant(0),
});

/** Descriptors with anything that has a binary form. */
export const descriptors: fc.Arbitrary<SecurityDescriptor> = fc.record({
  owner: fc.option(sids, { nil: undefined }),
  group: fc.option(sids, { nil: undefined }),
  dacl: anyList(),
  sacl: anyList(),
  control: fc.nat(0x7fff).map((bits) => bits & ~(controlFlags.daclPresent | controlFlags.saclPresent)),
  resourceManagerControl: fc.nat(0xff),
});

function lists(list: 'D' | 'S'): fc.Arbitrary<SecurityDescriptor['dacl']> {
  const flags = fc.nat(0xff).map((bits) => bits & ~0x20);
  const acl = fc.array(aces(list, flags), { maxLength: 6 }).map((entries) => ({
    revision: entries.some(({ form }) => form === 'object') ? 4 : 2,
    aces: entries,
  }));
  return fc.oneof(acl, fc.constantFrom('null' as const, undefined));
}

function anyList(): fc.Arbitrary<SecurityDescriptor['dacl']> {
  const unknown = fc.record({
    form: fc.constant('unknown' as const),
    type: fc.integer({ min: 0x12, max: 0xff }),
    flags: fc.nat(0xff),
    data: fc.array(u32, { maxLength: 5 }).map((words) => new Uint8Array(Uint32Array.from(words).buffer)),
  });
  const entry = fc.oneof<fc.Arbitrary<Ace>[]>(aces('D', fc.nat(0xff)), aces('S', fc.nat(0xff)), unknown);
  const acl = fc.record({ revision: fc.constantFrom(2, 4), aces: fc.array(entry, { maxLength: 6 }) });
  return fc.oneof(acl, fc.constantFrom('null' as const, undefined));
}
