import { PodwrightError } from '@podwright/core';

/**
 * Why a container waits for its image, in the kubelet's words, as `state.waiting.reason` of a container status.
 * Source: kubernetes pkg/kubelet/images/types.go.
 * @param error what `ImageEnsurer.ensure` threw
 */
export function imageWaitingReason(error: unknown): string {
  if (!PodwrightError.is(error)) return 'ErrImagePull';
  switch (error.kind) {
    case 'image-pull-back-off':
      return 'ImagePullBackOff';
    case 'signature-rejected':
      return 'SignatureValidationFailed';
    case 'unreachable':
      return 'RegistryUnavailable';
    case 'invalid-argument':
      return 'value' in error.details ? 'InvalidImageName' : 'ErrImagePull';
    case 'image-not-found':
      return error.details['policy'] === 'Never' ? 'ErrImageNeverPull' : 'ErrImagePull';
    default:
      return 'ErrImagePull';
  }
}
