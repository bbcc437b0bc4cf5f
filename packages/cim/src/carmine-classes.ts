import type { CimClass } from './model.ts';

/** What Carmine offers beyond Windows stands in a namespace of its own, so that Windows' tools see what they know. */
export const carmineNamespace = 'root\\Carmine';

/** Where Windows, and Carmine, tell accounts' SIDs. */
export const accountNamespace = 'root\\cimv2';

const provider = 'CarmineProv';

/** A job that is no longer listed: completed or cancelled, and why. */
export const carmineEndedJobClass: CimClass = {
  namespace: carmineNamespace,
  name: 'CarmineEndedJob',
  provider,
  description: 'A job that has ended.',
  properties: [
    {
      name: 'JobId',
      type: 'string',
      array: false,
      key: true,
      writable: false,
      description: 'GUID of the job, with braces.',
    },
    { name: 'DisplayName', type: 'string', array: false, key: false, writable: false, description: 'Name of the job.' },
    {
      name: 'Description',
      type: 'string',
      array: false,
      key: false,
      writable: false,
      description: 'Description of the job.',
    },
    {
      name: 'State',
      type: 'uint16',
      array: false,
      key: false,
      writable: false,
      description: '7 acknowledged, 8 cancelled.',
    },
    { name: 'Owner', type: 'string', array: false, key: false, writable: false, description: 'SID of the owner.' },
    { name: 'FilesTotal', type: 'uint32', array: false, key: false, writable: false, description: 'Number of files.' },
    {
      name: 'FilesTransferred',
      type: 'uint32',
      array: false,
      key: false,
      writable: false,
      description: 'Number of files transferred.',
    },
    {
      name: 'BytesTotal',
      type: 'uint64',
      array: false,
      key: false,
      writable: false,
      description: 'Bytes of all files.',
    },
    {
      name: 'BytesTransferred',
      type: 'uint64',
      array: false,
      key: false,
      writable: false,
      description: 'Bytes transferred.',
    },
    {
      name: 'JobCreationTime',
      type: 'uint64',
      array: false,
      key: false,
      writable: false,
      description: 'FILETIME of the creation.',
    },
    { name: 'EndTime', type: 'uint64', array: false, key: false, writable: false, description: 'FILETIME of the end.' },
    { name: 'Reason', type: 'string', array: false, key: false, writable: false, description: 'Why it ended.' },
    {
      name: 'LastError',
      type: 'uint32',
      array: false,
      key: false,
      writable: false,
      description: 'HRESULT of the last error, 0 when none.',
    },
  ],
  methods: [],
};

/** What Carmine knows of a job's file beyond BitsClientFile. */
export const carmineJobFileClass: CimClass = {
  namespace: carmineNamespace,
  name: 'CarmineJobFile',
  provider,
  description: 'A file of a job, with its digest.',
  properties: [
    {
      name: 'JobId',
      type: 'string',
      array: false,
      key: true,
      writable: false,
      description: 'GUID of the job, with braces.',
    },
    {
      name: 'FileIndex',
      type: 'uint32',
      array: false,
      key: true,
      writable: false,
      description: 'Position in the job, from 0.',
    },
    {
      name: 'Sha256',
      type: 'string',
      array: false,
      key: false,
      writable: false,
      description: 'SHA-256 of what was received; NULL until known.',
    },
    {
      name: 'ExpectedSha256',
      type: 'string',
      array: false,
      key: false,
      writable: true,
      description: 'What the content must have.',
    },
    {
      name: 'ComputeSha256',
      type: 'boolean',
      array: false,
      key: false,
      writable: true,
      description: 'TRUE: compute Sha256 before the job is transferred.',
    },
    {
      name: 'Phase',
      type: 'string',
      array: false,
      key: false,
      writable: false,
      description: 'What happens to the file now.',
    },
    { name: 'WaitReason', type: 'string', array: false, key: false, writable: false, description: 'Why it waits.' },
    {
      name: 'NextAttempt',
      type: 'uint64',
      array: false,
      key: false,
      writable: false,
      description: 'FILETIME of the next attempt; 0 when not known.',
    },
  ],
  methods: [],
};

/** What Carmine knows of a URL group beyond BitsCompactServerUrlGroup. */
export const carmineUrlGroupClass: CimClass = {
  namespace: carmineNamespace,
  name: 'CarmineUrlGroup',
  provider,
  description: 'A URL group.',
  properties: [
    {
      name: 'UrlGroup',
      type: 'string',
      array: false,
      key: true,
      writable: false,
      description: 'URL prefix of the group.',
    },
    {
      name: 'State',
      type: 'string',
      array: false,
      key: false,
      writable: false,
      description: 'offline, listening or draining.',
    },
    {
      name: 'UrlCount',
      type: 'uint32',
      array: false,
      key: false,
      writable: false,
      description: 'Number of URLs in the group.',
    },
  ],
  methods: [],
};

/** What Carmine knows of a published URL beyond CheckUrl. */
export const carmineUrlClass: CimClass = {
  namespace: carmineNamespace,
  name: 'CarmineUrl',
  provider,
  description: 'A published URL.',
  properties: [
    {
      name: 'UrlGroup',
      type: 'string',
      array: false,
      key: true,
      writable: false,
      description: 'URL prefix of the group.',
    },
    { name: 'UrlSuffix', type: 'string', array: false, key: true, writable: false, description: 'Suffix of the URL.' },
    {
      name: 'Length',
      type: 'uint64',
      array: false,
      key: false,
      writable: false,
      description: 'Size of the source in bytes.',
    },
    {
      name: 'Sha256',
      type: 'string',
      array: false,
      key: false,
      writable: false,
      description: 'SHA-256 of the source; NULL until computed.',
    },
  ],
  methods: [],
};

/** An answer with content that is being sent. */
export const carmineTransferClass: CimClass = {
  namespace: carmineNamespace,
  name: 'CarmineTransfer',
  provider,
  description: 'A transfer that is running.',
  properties: [
    {
      name: 'TransferId',
      type: 'uint32',
      array: false,
      key: true,
      writable: false,
      description: 'Number of the transfer in this run of the agent.',
    },
    ...(
      [
        ['UrlGroup', 'string', 'URL prefix of the group.'],
        ['UrlSuffix', 'string', 'Suffix of the URL.'],
        ['Identity', 'string', 'Account that asked.'],
        ['Source', 'string', 'Address of the peer.'],
        ['Range', 'string', 'Range that was asked for; NULL for the whole file.'],
        ['Length', 'uint64', 'Size of the file in bytes.'],
        ['BytesSent', 'uint64', 'Bytes of the file handed to the connection so far.'],
        ['StartTime', 'uint64', 'FILETIME of the request.'],
      ] as const
    ).map(([name, type, description]) => ({ name, type, array: false, key: false, writable: false, description })),
  ],
  methods: [],
};

/** The part of Win32_UserAccount that a controller needs to write SDDL; Windows has the same class there. */
export const userAccountClass: CimClass = {
  namespace: accountNamespace,
  name: 'Win32_UserAccount',
  provider,
  description: 'An account of this machine.',
  properties: [
    { name: 'Domain', type: 'string', array: false, key: true, writable: false, description: 'Machine or domain.' },
    { name: 'Name', type: 'string', array: false, key: true, writable: false, description: 'Account name.' },
    { name: 'SID', type: 'string', array: false, key: false, writable: false, description: 'SID of the account.' },
    {
      name: 'LocalAccount',
      type: 'boolean',
      array: false,
      key: false,
      writable: false,
      description: 'TRUE for an account of this machine.',
    },
  ],
  methods: [],
};
