/** The messages, enums and services of runtime.v1, as protobuf-es generates them: `cri.ContainerConfig`, `cri.ContainerConfigSchema`. */
export * as cri from './generated/runtime/v1/api_pb.js';
export { openChannel, type RpcChannel, type RpcClient, type RpcOptions } from './rpc-client.js';
export { errorOfStatus, isServiceError, statusOfError } from './rpc-errors.js';
export {
  addService,
  createServer,
  type RpcContext,
  type RpcFailure,
  type RpcHandlers,
} from './rpc-server.js';
export { MAX_MESSAGE_BYTES, serviceDefinition } from './service-definition.js';
export { withValidAuthority } from './unix-authority.js';
