import type { DescMessage, DescMethod } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { memoryBackendModule } from '@podwright/backend-memory';
import { cri, isServiceError } from '@podwright/cri-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CriBed } from './cri-bed.spec-helper.js';

/** What a method may answer to a request without anything in it. The rest say which field they need. */
const ANSWERS: Readonly<Record<string, string>> = {
  checkpointContainer: 'UNIMPLEMENTED',
  checkpointPod: 'UNIMPLEMENTED',
  restorePod: 'UNIMPLEMENTED',
  // Of a simulated machine.
  runtimeConfig: 'UNIMPLEMENTED',
  status: 'OK',
  version: 'OK',
  updateRuntimeConfig: 'OK',
  imageFsInfo: 'OK',
};
const isList = (name: string) => /^(list|stream)/.test(name);

let bed: CriBed;

beforeAll(async () => {
  bed = await CriBed.start(memoryBackendModule());
});

afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

/** A message in which all messages are there, and these have nothing else in them. */
function hollow(schema: DescMessage): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  for (const field of schema.fields) {
    if (field.fieldKind === 'message') message[field.localName] = hollow(field.message);
    else if (field.fieldKind === 'list' && field.listKind === 'message')
      message[field.localName] = [hollow(field.message)];
  }
  return message;
}

async function answerOf(client: object, name: string, request: object): Promise<string> {
  const call: unknown = Reflect.get(client, name);
  if (typeof call !== 'function') throw new Error(`there is no method ${name}`);
  try {
    const answer: Promise<unknown> | AsyncIterable<unknown> = call(request);
    if (Symbol.asyncIterator in answer) for await (const _ of answer) break;
    else await answer;
    return 'OK';
  } catch (error) {
    if (!isServiceError(error)) throw error;
    return status[error.code];
  }
}

describe.each([
  { service: cri.RuntimeService, client: () => bed.runtime },
  { service: cri.ImageService, client: () => bed.images },
])('$service.typeName', ({ service, client }) => {
  const methods: readonly DescMethod[] = service.methods;
  // That of events has nothing to ask for, and no end.
  const names = methods.filter(({ localName }) => localName !== 'getContainerEvents');

  it.each(names)('$localName without any field', async ({ localName }) => {
    const expected = ANSWERS[localName] ?? (isList(localName) ? 'OK' : 'INVALID_ARGUMENT');
    expect(await answerOf(client(), localName, {})).toBe(expected);
  });

  it.each(names)('$localName with empty messages in all fields', async ({ localName, input }) => {
    const expected = ANSWERS[localName] ?? (isList(localName) ? 'OK' : 'INVALID_ARGUMENT');
    const answer = await answerOf(client(), localName, hollow(input));
    // `windows` is refused as such.
    expect(answer).toBe(localName === 'updateContainerResources' ? 'UNIMPLEMENTED' : expected);
  });
});
