/** Configuration files, command lines, accounts and certificates on this machine. */
export const configurationCodes = {
  'configuration/unreadable': { kind: 'local', text: 'cannot read {file}: {reason}' },
  'configuration/syntax': { kind: 'local', text: '{file}:{line}: {reason}' },
  'configuration/unknown-key': { kind: 'local', text: '{file}:{line}: unknown key "{key}"' },
  'configuration/invalid': { kind: 'local', text: '{file}:{line}: {key}: {reason}' },
  'configuration/missing': { kind: 'local', text: '{file}: {key} is required: {reason}' },
  'configuration/exists': { kind: 'local', text: '{file} exists already' },
  'configuration/in-use': { kind: 'local', text: '{what} is in use by another process' },
  'configuration/address': { kind: 'local', text: 'cannot listen on {address}: {reason}' },
  'configuration/no-certificate': { kind: 'local', text: 'no usable certificate: {reason}' },
  'configuration/no-account': { kind: 'local', text: 'there is no account {name}' },
  'configuration/account-exists': { kind: 'local', text: 'the account {name} exists already' },
  'configuration/bad-account': { kind: 'local', text: 'account {name}: {reason}' },
  'configuration/no-keys': { kind: 'local', text: 'there are no keys of {name}' },
  'usage/invalid': { kind: 'local', text: '{reason}' },
} as const;
