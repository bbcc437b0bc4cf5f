import type { FuzzTarget } from '../target.ts';
import { objrefTarget, wmioTarget } from './dcom/objects.ts';
import { rpcPduTarget, rpcStubTarget } from './dcom/rpc.ts';
import { derTarget } from './der.ts';
import { httpAuthTarget } from './http-auth.ts';
import { httpHeadTarget } from './http-head.ts';
import { httpRequestTarget } from './http-request.ts';
import { journalTarget } from './journal.ts';
import { kerberosTarget } from './kerberos.ts';
import { ntlmTarget } from './ntlm.ts';
import { securityTarget } from './security.ts';
import { spnegoTarget } from './spnego.ts';
import { wqlTarget } from './wql.ts';
import { wsmanTarget } from './wsman.ts';

/** Parsers by the name that `--parser` takes. A new one is a file here and a line in this table. */
export const fuzzTargets: Readonly<Record<string, () => FuzzTarget | Promise<FuzzTarget>>> = {
  ntlm: ntlmTarget,
  kerberos: kerberosTarget,
  spnego: spnegoTarget,
  der: derTarget,
  sddl: securityTarget,
  wsman: wsmanTarget,
  'http-auth': httpAuthTarget,
  'http-head': httpHeadTarget,
  'http-request': httpRequestTarget,
  wql: wqlTarget,
  journal: journalTarget,
  'rpc-pdu': rpcPduTarget,
  'rpc-stub': rpcStubTarget,
  objref: objrefTarget,
  wmio: wmioTarget,
};
