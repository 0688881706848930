import { readFileSync } from 'node:fs';
import type { DescEnum, DescField, DescMethod } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { cri } from './index.js';

interface FieldTable {
  readonly package: string;
  readonly services: Record<string, Record<string, readonly string[]>>;
  readonly messages: Record<string, Record<string, { readonly n: number; readonly t: string }>>;
  readonly enums: Record<string, Record<string, number>>;
}

/** Names, numbers and types of the API as every other runtime has them. */
const table: FieldTable = JSON.parse(
  readFileSync(new URL('../testing/runtime-v1-fields.json', import.meta.url), 'utf8'),
);
const file = cri.file_runtime_v1_api;

function scalarName(type: ScalarType): string {
  return (ScalarType[type] ?? '').toLowerCase();
}

function typeName(field: DescField): string {
  if (field.fieldKind === 'map')
    return `map<string,${field.mapKind === 'scalar' ? scalarName(field.scalar) : '?'}>`;
  const base =
    field.message?.name ?? field.enum?.name ?? (field.scalar === undefined ? '?' : scalarName(field.scalar));
  return field.fieldKind === 'list' ? `repeated ${base}` : base;
}

const valuesOf = (type: DescEnum) =>
  Object.fromEntries(type.values.map(({ name, number }) => [name, number]));

const methodOf = ({ name, input, output, methodKind }: DescMethod) => [
  name,
  [input.name, output.name, ...(methodKind === 'server_streaming' ? ['server-stream'] : [])],
];

describe('what is generated is the API of runtime.v1', () => {
  it('has its package and its services', () => {
    expect(file.proto.package).toBe(table.package);
    expect(
      Object.fromEntries(
        file.services.map((service) => [service.name, Object.fromEntries(service.methods.map(methodOf))]),
      ),
    ).toEqual(table.services);
  });

  it('has its messages and no others', () => {
    expect(file.messages.map(({ name }) => name).sort()).toEqual(Object.keys(table.messages).sort());
  });

  it.each(Object.entries(table.messages))('message %s', (name, fields) => {
    const message = file.messages.find((candidate) => candidate.name === name);
    expect(
      Object.fromEntries(
        message?.fields.map((field) => [field.name, { n: field.number, t: typeName(field) }]) ?? [],
      ),
    ).toEqual(fields);
  });

  it('has its enums', () => {
    expect(Object.fromEntries(file.enums.map((type) => [type.name, valuesOf(type)]))).toEqual(table.enums);
    expect(valuesOf(cri.SecurityProfile_ProfileTypeSchema)).toEqual({
      RuntimeDefault: 0,
      Unconfined: 1,
      Localhost: 2,
    });
  });
});
