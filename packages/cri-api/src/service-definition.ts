import {
  type DescMessage,
  type DescService,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';

/** Largest message that a kubelet takes (its own limit), in bytes; grpc-js' default is a quarter of it. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

type AnyMethod = MethodDefinition<MessageShape<DescMessage>, MessageShape<DescMessage>>;

/** A generated service as grpc-js wants it: the path and the coding of each method. Keys are the methods' local names. */
export function serviceDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(
    service.methods.map((method) => [method.localName, methodDefinition(service, method)]),
  );
}

function methodDefinition(service: DescService, method: DescService['methods'][number]): AnyMethod {
  const { input, output, methodKind } = method;
  return {
    path: `/${service.typeName}/${method.name}`,
    originalName: method.localName,
    requestStream: methodKind === 'client_streaming' || methodKind === 'bidi_streaming',
    responseStream: methodKind === 'server_streaming' || methodKind === 'bidi_streaming',
    requestSerialize: (message) => encode(input, message),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => encode(output, message),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

function encode(schema: DescMessage, message: MessageShape<DescMessage>): Buffer {
  const bytes = toBinary(schema, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
