import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import {
  Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { statusOfError } from './rpc-errors.js';
import { MAX_MESSAGE_BYTES, serviceDefinition } from './service-definition.js';

/** What a handler knows of its call. */
export interface RpcContext {
  /** Fires when the client cancels, when its time is over, and when it goes away. */
  readonly signal: AbortSignal;
}

type Methods<S extends DescService> = S['method'];

/** One function for each method of a service; what it throws becomes the call's status (`statusOfError`). */
export type RpcHandlers<S extends DescService> = {
  readonly [K in keyof Methods<S>]: Methods<S>[K] extends DescMethod
    ? Methods<S>[K]['methodKind'] extends 'server_streaming'
      ? (
          request: MessageShape<Methods<S>[K]['input']>,
          context: RpcContext,
        ) => AsyncIterable<MessageInitShape<Methods<S>[K]['output']>>
      : (
          request: MessageShape<Methods<S>[K]['input']>,
          context: RpcContext,
        ) => Promise<MessageInitShape<Methods<S>[K]['output']>>
    : never;
};

/** Tells a call that failed, with its method and what was thrown. */
export type RpcFailure = (method: string, error: unknown) => void;

/** A gRPC server without services, which takes and gives messages as large as a kubelet's. Bind it with `bindAsync`. */
export function createServer(): Server {
  return new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': -1,
  });
}

/** Serves a service with these handlers. The types of `handlers` make sure that no method is missing. */
export function addService<S extends DescService>(
  server: Server,
  service: S,
  handlers: RpcHandlers<S>,
  onFailure: RpcFailure = () => {},
): void {
  const implementation: UntypedServiceImplementation = {};
  const byName: Record<string, unknown> = handlers;
  for (const method of service.methods) {
    const handler = byName[method.localName];
    if (typeof handler !== 'function')
      throw new TypeError(`${service.typeName} has no handler for ${method.name}`);
    const run = handler.bind(handlers) as (request: object, context: RpcContext) => unknown;
    const failed = (error: unknown) => {
      onFailure(method.name, error);
      return statusOfError(error);
    };
    implementation[method.localName] =
      method.methodKind === 'server_streaming' ? stream(method, run, failed) : unary(method, run, failed);
  }
  server.addService(serviceDefinition(service), implementation);
}

type Run = (request: object, context: RpcContext) => unknown;
type Failed = (error: unknown) => ReturnType<typeof statusOfError>;

function unary(method: DescMethod, run: Run, failed: Failed) {
  return (
    call: ServerUnaryCall<object, object>,
    done: (error: ReturnType<typeof statusOfError> | null, response?: object) => void,
  ): void => {
    const answer = async () =>
      create(method.output, (await run(call.request, contextOf(call))) as MessageInitShape<DescMessage>);
    answer().then(
      (response) => done(null, response),
      (error: unknown) => done(failed(error)),
    );
  };
}

function stream(method: DescMethod, run: Run, failed: Failed) {
  const answer = async (call: ServerWritableStream<object, object>): Promise<void> => {
    const context = contextOf(call);
    try {
      for await (const response of run(call.request, context) as AsyncIterable<
        MessageInitShape<DescMessage>
      >) {
        if (context.signal.aborted) break;
        if (!call.write(create(method.output, response))) await drained(call, context.signal);
      }
      call.end();
    } catch (error) {
      if (context.signal.aborted) call.end();
      // destroy() would drop what was written before.
      else call.emit('error', failed(error));
    }
  };
  return (call: ServerWritableStream<object, object>): void => void answer(call);
}

function drained(call: ServerWritableStream<object, object>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    call.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}

function contextOf(call: {
  on(event: 'cancelled', listener: () => void): unknown;
  cancelled: boolean;
}): RpcContext {
  const controller = new AbortController();
  call.on('cancelled', () => controller.abort());
  if (call.cancelled) controller.abort();
  return { signal: controller.signal };
}
