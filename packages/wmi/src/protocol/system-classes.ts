import type { CimClass, CimProperty } from '@carmine/cim';

/**
 * The classes that WMI has in every namespace and clients list ([MS-WMI] 2.2.1, WMI documentation, WMI System Classes), as far as
 * there is something to say of them here.
 */
export function systemClasses(namespace: string): readonly CimClass[] {
  return definitions.map(([name, , properties]) => ({
    namespace,
    name,
    provider: '',
    description: '',
    properties,
    methods: [],
  }));
}

/** Superclasses of a class, the immediate one first. Only system classes have any. */
export function derivationOf({ name }: Pick<CimClass, 'name'>): readonly string[] {
  const chain: string[] = [];
  for (let at = superclasses.get(name.toLowerCase()); at !== undefined; at = superclasses.get(at.toLowerCase()))
    chain.push(at);
  return chain;
}

const property = (name: string, rest: Partial<CimProperty> = {}): CimProperty => ({
  name,
  type: 'string',
  array: false,
  key: false,
  writable: false,
  description: '',
  ...rest,
});

const name = property('Name', { key: true });
const definitions: readonly (readonly [name: string, superclass: string | undefined, readonly CimProperty[]])[] = [
  ['__SystemClass', undefined, []],
  ['__NAMESPACE', '__SystemClass', [name]],
  ['__Provider', '__SystemClass', [name]],
  [
    '__Win32Provider',
    '__Provider',
    [name, property('CLSID'), property('HostingModel'), property('DefaultMachineName'), property('UnloadTimeout')],
  ],
];

/** Also of the classes of events, which the schema has. */
const superclasses = new Map<string, string>([
  ...definitions.flatMap(([own, superclass]) =>
    superclass === undefined ? [] : [[own.toLowerCase(), superclass] as const],
  ),
  ['__instancecreationevent', '__InstanceOperationEvent'],
  ['__instancemodificationevent', '__InstanceOperationEvent'],
  ['__instancedeletionevent', '__InstanceOperationEvent'],
]);
