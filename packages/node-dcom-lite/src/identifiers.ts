/** Interfaces and classes of [MS-DCOM] 1.9. All in the form in which GUIDs are compared here: lower case, no braces. */
const base = '-0000-0000-c000-000000000046';

export const iids = {
  unknown: `00000000${base}`,
  classFactory: `00000001${base}`,
  remUnknown: `00000131${base}`,
  remUnknown2: `00000143${base}`,
  activationPropertiesIn: `000001a2${base}`,
  activationPropertiesOut: `000001a3${base}`,
  remoteScmActivator: `000001a0${base}`,
  activation: '4d9f4ab8-7d1c-11cf-861e-0020af6e7c57',
  objectExporter: '99fcfec4-5260-101b-bbcb-00aa0021347a',
} as const;

export const clsids = {
  activationPropertiesIn: `00000338${base}`,
  activationPropertiesOut: `00000339${base}`,
  instantiationInfo: `000001ab${base}`,
  activationContextInfo: `000001a5${base}`,
  securityInfo: `000001a6${base}`,
  serverLocationInfo: `000001a4${base}`,
  scmRequestInfo: `000001aa${base}`,
  specialSystemProperties: `000001b9${base}`,
  scmReplyInfo: `000001b6${base}`,
} as const;

/** COMVERSION that is spoken, [MS-DCOM] 1.7. */
export const comVersion = { major: 5, minor: 7 } as const;
