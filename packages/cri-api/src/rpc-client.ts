import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { Client, credentials, type CallOptions as GrpcCallOptions, Metadata } from '@grpc/grpc-js';
import { MAX_MESSAGE_BYTES, serviceDefinition } from './service-definition.js';

/** How long and by whom a call may be ended. */
export interface RpcOptions {
  readonly signal?: AbortSignal;
  /** The server is told of it, and the call ends with DEADLINE_EXCEEDED. Absent: none. */
  readonly timeoutMs?: number;
}

type Methods<S extends DescService> = S['method'];

/** One function for each method of a service: a promise of the response, or an iterable of them. */
export type RpcClient<S extends DescService> = {
  readonly [K in keyof Methods<S>]: Methods<S>[K] extends DescMethod
    ? Methods<S>[K]['methodKind'] extends 'server_streaming'
      ? (
          request?: MessageInitShape<Methods<S>[K]['input']>,
          options?: RpcOptions,
        ) => AsyncIterable<MessageShape<Methods<S>[K]['output']>>
      : (
          request?: MessageInitShape<Methods<S>[K]['input']>,
          options?: RpcOptions,
        ) => Promise<MessageShape<Methods<S>[K]['output']>>
    : never;
};

/** A connection to a CRI socket; made on the first call, made anew when it was lost. */
export interface RpcChannel {
  service<S extends DescService>(service: S): RpcClient<S>;
  /** Resolves when the server answers; @throws Error when it does not within the time. */
  waitForReady(timeoutMs: number): Promise<void>;
  close(): void;
}

/**
 * @param address as grpc-js takes it: `unix:///run/containerd/containerd.sock`, `127.0.0.1:1234`
 * Errors of calls are grpc-js' ServiceErrors (see `errorOfStatus`).
 */
export function openChannel(address: string): RpcChannel {
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    // A server that was started again is found again soon.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2000,
  });
  return {
    service: (service) => clientOf(client, service),
    waitForReady: (timeoutMs) =>
      new Promise((resolve, reject) => {
        client.waitForReady(Date.now() + timeoutMs, (error) => (error ? reject(error) : resolve()));
      }),
    close: () => client.close(),
  };
}

function clientOf<S extends DescService>(client: Client, service: S): RpcClient<S> {
  const definition = serviceDefinition(service);
  const entries = service.methods.map((method) => {
    const { path, requestSerialize, responseDeserialize } = definition[method.localName] ?? {};
    if (path === undefined || !requestSerialize || !responseDeserialize)
      throw new TypeError(`${service.typeName} has no method ${method.localName}`);
    const start = (request: MessageInitShape<DescMessage> = {}, options: RpcOptions = {}) => ({
      message: create(method.input, request),
      call: callOptions(options),
    });
    if (method.methodKind === 'server_streaming') {
      return [
        method.localName,
        (request?: MessageInitShape<DescMessage>, options: RpcOptions = {}) => {
          const { message, call } = start(request, options);
          return responsesOf(
            client,
            path,
            requestSerialize,
            responseDeserialize,
            message,
            call,
            options.signal,
          );
        },
      ];
    }
    return [
      method.localName,
      (request?: MessageInitShape<DescMessage>, options: RpcOptions = {}) =>
        new Promise((resolve, reject) => {
          const { message, call: grpcOptions } = start(request, options);
          const onAbort = () => call.cancel();
          const call = client.makeUnaryRequest(
            path,
            requestSerialize,
            responseDeserialize,
            message,
            new Metadata(),
            grpcOptions,
            (error, response) => {
              options.signal?.removeEventListener('abort', onAbort);
              if (error) reject(error);
              else resolve(response);
            },
          );
          if (options.signal?.aborted) onAbort();
          else options.signal?.addEventListener('abort', onAbort, { once: true });
        }),
    ];
  });
  return Object.fromEntries(entries) as RpcClient<S>;
}

async function* responsesOf(
  client: Client,
  path: string,
  serialize: (value: unknown) => Buffer,
  deserialize: (bytes: Buffer) => unknown,
  message: object,
  grpcOptions: GrpcCallOptions,
  signal: AbortSignal | undefined,
): AsyncGenerator {
  const call = client.makeServerStreamRequest(
    path,
    serialize,
    deserialize,
    message,
    new Metadata(),
    grpcOptions,
  );
  const onAbort = () => call.cancel();
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  try {
    yield* call;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    call.cancel();
  }
}

function callOptions({ timeoutMs }: RpcOptions): GrpcCallOptions {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}
