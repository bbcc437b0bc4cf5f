import {
  type NdrType,
  ndrArray,
  ndrConformantStruct,
  ndrGuid,
  ndrParameters,
  ndrStruct,
  ndrU16,
  ndrU32,
  ndrUnique,
  ndrVaryingArray,
} from '@carmine/wire/ndr';

/** Endpoint mapper, C706 appendix O. */
export const endpointMapperSyntax = { uuid: 'e1af8308-5d1f-11c9-91a4-08002b14a0fa', major: 3, minor: 0 } as const;

/** twr_t: `u32 max | u32 tower_length | octets`. */
const tower: NdrType<Uint8Array> = ndrConformantStruct('twr_t', {
  alignment: 4,
  count: (value: Uint8Array) => value.length,
  write: (writer, value) => void writer.u32(value.length).bytes(value),
  read(reader, maximum) {
    const length = reader.u32();
    if (length > maximum) throw reader.invalid('tower_length');
    const octets = reader.take(reader.checkCount(length, 1)).slice();
    reader.skip(maximum - length);
    return octets;
  },
});

/** ept_lookup_handle_t, a context handle. */
const entryHandle = ndrStruct('entry_handle', [
  ['attributes', ndrU32],
  ['uuid', ndrGuid],
]);

const interfaceId = ndrStruct('rpc_if_id_t', [
  ['uuid', ndrGuid],
  ['major', ndrU16],
  ['minor', ndrU16],
]);

/** `char annotation[ept_max_annotation_size]` as a varying string: offset, count with the NUL, characters. */
const annotation: NdrType<string> = {
  name: 'annotation',
  alignment: 4,
  size: 8,
  write(writer, value) {
    writer
      .align(4)
      .u32(0)
      .u32(value.length + 1);
    for (const character of value) writer.u8(character.charCodeAt(0) & 0x7f);
    writer.u8(0);
  },
  read(reader, set) {
    reader.align(4);
    reader.skip(4);
    const octets = reader.take(reader.checkCount(reader.u32(), 1, 64));
    set(String.fromCharCode(...octets).replace(/\0.*$/s, ''));
  },
};

/** ept_entry_t. */
const entry = ndrStruct('ept_entry_t', [
  ['object', ndrGuid],
  ['tower', ndrUnique(tower)],
  ['annotation', annotation],
]);

/** Operation 2. */
export const lookupRequest = ndrParameters('ept_lookup', [
  ['inquiryType', ndrU32],
  ['object', ndrUnique(ndrGuid)],
  ['interfaceId', ndrUnique(interfaceId)],
  ['versionOption', ndrU32],
  ['entryHandle', entryHandle],
  ['maxEntries', ndrU32],
]);
export const lookupResponse = ndrParameters('ept_lookup', [
  ['entryHandle', entryHandle],
  ['numEntries', ndrU32],
  ['entries', ndrVaryingArray(entry, 500)],
  ['status', ndrU32],
]);

/** Operation 3. */
export const mapRequest = ndrParameters('ept_map', [
  ['object', ndrUnique(ndrGuid)],
  ['tower', ndrUnique(tower)],
  ['entryHandle', entryHandle],
  ['maxTowers', ndrU32],
]);
export const mapResponse = ndrParameters('ept_map', [
  ['entryHandle', entryHandle],
  ['numTowers', ndrU32],
  ['towers', ndrVaryingArray(ndrUnique(tower), 500)],
  ['status', ndrU32],
]);

/** Operation 4. */
export const freeHandleRequest = ndrParameters('ept_lookup_handle_free', [['entryHandle', entryHandle]]);
export const freeHandleResponse = ndrParameters('ept_lookup_handle_free', [
  ['entryHandle', entryHandle],
  ['status', ndrU32],
]);

/** Management interface, C706 appendix Q. */
export const managementSyntax = { uuid: 'afa8bd80-7d8a-11c9-bef4-08002b102989', major: 1, minor: 0 } as const;

/** rpc_if_id_vector_t, a conformant structure: `u32 max | u32 count | pointers`, which the array's own number serves as well. */
const interfaceIdVector = ndrStruct('rpc_if_id_vector_t', [
  ['maximum', ndrU32, { countOf: 'ids' }],
  ['ids', ndrArray(ndrUnique(interfaceId), 1024)],
]);
export const inquireIdsResponse = ndrParameters('rpc__mgmt_inq_if_ids', [
  ['vector', ndrUnique(interfaceIdVector)],
  ['status', ndrU32],
]);
export const inquireStatisticsRequest = ndrParameters('rpc__mgmt_inq_stats', [
  ['maxCount', ndrU32],
  ['unknown', ndrU32],
]);
export const inquireStatisticsResponse = ndrParameters('rpc__mgmt_inq_stats', [
  ['maximum', ndrU32, { countOf: 'statistics' }],
  ['statistics', ndrArray(ndrU32, 16)],
  ['status', ndrU32],
]);
export const isListeningResponse = ndrParameters('rpc__mgmt_is_server_listening', [
  ['status', ndrU32],
  ['listening', ndrU32],
]);
export const stopListeningResponse = ndrParameters('rpc__mgmt_stop_server_listening', [['status', ndrU32]]);
export const inquirePrincipalRequest = ndrParameters('rpc__mgmt_inq_princ_name', [
  ['authnProto', ndrU32],
  ['size', ndrU32],
]);
