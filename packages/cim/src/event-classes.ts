import type { CimClass, CimProperty } from './model.ts';

/** What an event tells: WMI documentation, the classes of the same names. */
export type InstanceEventName =
  | '__InstanceCreationEvent'
  | '__InstanceModificationEvent'
  | '__InstanceDeletionEvent'
  | '__InstanceOperationEvent';

/** The classes of intrinsic events about instances, which WMI has in every namespace. They are not listed and have no instances. */
export function eventClasses(namespace: string): readonly CimClass[] {
  return Object.entries(propertiesOf).map(([name, properties]) => ({
    namespace,
    name,
    provider: '',
    description: 'An event about an instance.',
    properties,
    methods: [],
  }));
}

/** Event classes of WMI of whose kinds nothing can happen here: classes and namespaces stay as they are, and there are no timers. */
export const silentEventClasses: readonly string[] = [
  '__Event',
  '__ExtrinsicEvent',
  '__TimerEvent',
  '__AggregateEvent',
  '__ClassOperationEvent',
  '__ClassCreationEvent',
  '__ClassModificationEvent',
  '__ClassDeletionEvent',
  '__NamespaceOperationEvent',
  '__NamespaceCreationEvent',
  '__NamespaceModificationEvent',
  '__NamespaceDeletionEvent',
  '__MethodInvocationEvent',
];

const property = (name: string, rest: Pick<CimProperty, 'type' | 'array' | 'description'>): CimProperty => ({
  name,
  key: false,
  writable: false,
  ...rest,
});

/** Of __Event, then of __InstanceOperationEvent. */
const common: readonly CimProperty[] = [
  property('SECURITY_DESCRIPTOR', { type: 'uint8', array: true, description: 'Not used here: NULL.' }),
  property('TIME_CREATED', {
    type: 'uint64',
    array: false,
    description: 'When the event was made, in 100 ns since 1601.',
  }),
  property('TargetInstance', { type: 'object', array: false, description: 'What was created, changed or deleted.' }),
];

const propertiesOf: Readonly<Record<InstanceEventName, readonly CimProperty[]>> = {
  __InstanceCreationEvent: common,
  __InstanceModificationEvent: [
    ...common,
    property('PreviousInstance', { type: 'object', array: false, description: 'The instance as it was before.' }),
  ],
  __InstanceDeletionEvent: common,
  __InstanceOperationEvent: common,
};
