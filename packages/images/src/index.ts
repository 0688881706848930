// Images on one host: pulled by skopeo into the store that podman shares. Start reading at skopeo-image-service.ts
// (what agents call) and image-store.ts (what another store has to do).
export { ContainersStorageImageStore } from './containers-storage-image-store.js';
export { ImageLeftovers } from './image-leftovers.js';
export { ImageMounter, type MountedImage, OverlayImageMounter } from './image-mounter.js';
export { ContainersStorageImagePins, ImagePins } from './image-pins.js';
export {
  type CopyTarget,
  ImageStore,
  type StoredImage,
  type StoredLayer,
  type StoredRecord,
} from './image-store.js';
export { ImageUsers, NoImageUsers } from './image-users.js';
export { DirectoryImageVolumes, ImageVolumes } from './image-volumes.js';
export { imagesModule } from './images-module.js';
export { ImagesOptions } from './images-options.js';
export { type SkopeoOrigin, skopeoError } from './skopeo-errors.js';
export { SkopeoImageService } from './skopeo-image-service.js';
export { EVERYTHING, InProcessStoreLocks, type StoreLease, StoreLocks } from './store-locks.js';
