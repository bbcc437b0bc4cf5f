import { isAdministrator, type Token } from '@carmine/security';
import type { CimClass } from './model.ts';
import { findByName } from './schema.ts';

/** What a caller who is no administrator may be allowed to be. None of these is on unless configured. */
export const roles = ['reader', 'operator', 'publisher'] as const;
export type Role = (typeof roles)[number];

/** Tells the roles of an authenticated caller; must not throw. */
export type RolesOf = (token: Token) => readonly Role[];

/** What is acted on. `certificate`: what a port presents; `jobFile`: the files of a job, with their digests. */
export type SecuredObject = 'job' | 'jobFile' | 'endedJob' | 'urlGroup' | 'url' | 'certificate' | 'account';
/** `operate`: change what is there; `credentials`: passwords and client certificates that a job uses. */
export type SecuredAction = 'read' | 'operate' | 'create' | 'credentials' | 'delete';

/** What a call needs. */
export interface Right {
  readonly object: SecuredObject;
  readonly action: SecuredAction;
}

const everyRole: readonly Role[] = roles;
const operator: readonly Role[] = ['operator'];
const publisher: readonly Role[] = ['publisher'];
const nobody: readonly Role[] = [];

/**
 * Who may do what besides administrators, who may do everything: readers see what is no secret and who the accounts are is
 * one; operators also steer jobs that exist; publishers also say what is published.
 * Files of jobs: an expected digest guards against wrong content, so only administrators change it.
 */
export const roleTable: Readonly<Record<SecuredObject, Readonly<Record<SecuredAction, readonly Role[]>>>> = {
  job: { read: everyRole, operate: operator, create: nobody, credentials: nobody, delete: nobody },
  jobFile: { read: everyRole, operate: nobody, create: nobody, credentials: nobody, delete: nobody },
  endedJob: { read: everyRole, operate: nobody, create: nobody, credentials: nobody, delete: nobody },
  urlGroup: { read: everyRole, operate: publisher, create: publisher, credentials: nobody, delete: publisher },
  url: { read: everyRole, operate: publisher, create: publisher, credentials: nobody, delete: publisher },
  certificate: { read: everyRole, operate: nobody, create: nobody, credentials: nobody, delete: nobody },
  account: { read: nobody, operate: nobody, create: nobody, credentials: nobody, delete: nobody },
};

/** Of each class: what its instances are, and what its methods need. A class or method that is not here is for administrators. */
const needs: ReadonlyMap<string, { readonly instances: SecuredObject; readonly methods: ReadonlyMap<string, Right> }> =
  new Map([
    [
      'BitsClientJob',
      {
        instances: 'job',
        methods: methods('job', {
          read: ['GetError'],
          operate: ['SetJobState', 'SetProxySettings'],
          create: ['CreateJob', 'AddFile'],
          credentials: [
            'SetCredentials',
            'RemoveCredentials',
            'SetClientCertificateByName',
            'SetClientCertificateById',
            'RemoveClientCertificate',
          ],
        }),
      },
    ],
    ['BitsClientFile', { instances: 'jobFile', methods: new Map() }],
    ['CarmineJobFile', { instances: 'jobFile', methods: new Map() }],
    ['CarmineEndedJob', { instances: 'endedJob', methods: new Map() }],
    [
      'BitsCompactServerUrlGroup',
      {
        instances: 'urlGroup',
        methods: new Map([
          ...methods('urlGroup', {
            read: ['GetUrlGroupAuthentication', 'GetProperty'],
            operate: ['SetUrlGroupAuthentication', 'SetProperty'],
            create: ['CreateUrlGroup'],
            delete: ['DeleteUrlGroup'],
          }),
          ...methods('url', { read: ['CheckUrl'], create: ['CreateUrl'], delete: ['DeleteUrl'] }),
          ...methods('certificate', {
            read: ['GetSslCertificate'],
            operate: ['SetSslCertificate'],
            delete: ['RemoveSslCertificate'],
          }),
        ]),
      },
    ],
    ['CarmineUrl', { instances: 'url', methods: new Map() }],
    ['CarmineUrlGroup', { instances: 'urlGroup', methods: new Map() }],
    ['CarmineTransfer', { instances: 'urlGroup', methods: new Map() }],
    ['Win32_UserAccount', { instances: 'account', methods: new Map() }],
  ]);

/** What reading, changing or deleting instances of a class needs; undefined: administrators only. */
export function instanceRight(cls: CimClass | undefined, action: 'read' | 'operate' | 'delete'): Right | undefined {
  const found = needs.get(cls?.name ?? '');
  return found === undefined ? undefined : { object: found.instances, action };
}

/** What calling a method needs; undefined: administrators only. */
export function methodRight(cls: CimClass | undefined, methodName: string): Right | undefined {
  const method = findByName(cls?.methods ?? [], methodName);
  return needs.get(cls?.name ?? '')?.methods.get(method?.name ?? '');
}

/** Whether one of the roles has the right. */
export function rolesPermit(held: readonly Role[], right: Right | undefined): boolean {
  return right !== undefined && roleTable[right.object][right.action].some((role) => held.includes(role));
}

/** The roles of a caller; nobody has one without having proved who he is. */
export function heldRoles(token: Token, rolesOf: RolesOf): readonly Role[] {
  return token.scheme === 'none' ? [] : rolesOf(token);
}

/** Whether a caller may make any call at all. */
export function mayCall(token: Token, rolesOf: RolesOf): boolean {
  return isAdministrator(token) || heldRoles(token, rolesOf).length > 0;
}

function methods(
  object: SecuredObject,
  names: Partial<Record<SecuredAction, readonly string[]>>,
): ReadonlyMap<string, Right> {
  const actions = Object.keys(names) as SecuredAction[];
  return new Map(actions.flatMap((action) => (names[action] ?? []).map((name) => [name, { object, action }] as const)));
}
