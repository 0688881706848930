import { ImageService } from '@podwright/core';
import { ContainerModule } from 'inversify';
import { ArchiveLoader } from './archive-loader.js';
import { ContainersStorageImageStore } from './containers-storage-image-store.js';
import { ImageLeftovers } from './image-leftovers.js';
import { ImageMounter, OverlayImageMounter } from './image-mounter.js';
import { ContainersStorageImagePins, ImagePins } from './image-pins.js';
import { ImagePuller } from './image-puller.js';
import { ImageStore } from './image-store.js';
import { ImageUsers, NoImageUsers } from './image-users.js';
import { DirectoryImageVolumes, ImageVolumes } from './image-volumes.js';
import { checkImagesOptions, ImagesOptions } from './images-options.js';
import { LeftoverLayers } from './leftover-layers.js';
import { PlainArchives } from './plain-archives.js';
import { PullNotes } from './pull-notes.js';
import { PullSources } from './pull-sources.js';
import { SharedPulls } from './shared-pulls.js';
import { SignaturePolicy } from './signature-policy.js';
import { Skopeo } from './skopeo.js';
import { SkopeoImageService } from './skopeo-image-service.js';
import { StorageCommand } from './storage-command.js';
import { StoreFiles } from './store-files.js';
import { InProcessStoreLocks, StoreLocks } from './store-locks.js';
import { StoreUsage } from './store-usage.js';
import { WorkDirs } from './work-dirs.js';

/**
 * Binds `ImageService`, `ImageMounter`, `ImageVolumes`, and to be rebound `ImageStore`, `ImageUsers`, `ImagePins` and
 * `StoreLocks`. Needs `HostExecutor` and `Logger`.
 * @throws PodwrightError kind `invalid-argument` for a wrong option
 */
export function imagesModule(options: ImagesOptions): ContainerModule {
  const checked = checkImagesOptions(options);
  return new ContainerModule(({ bind }) => {
    bind(ImagesOptions).toConstantValue(checked);
    bind(StorageCommand).toSelf().inSingletonScope();
    bind(StoreFiles).toSelf().inSingletonScope();
    bind(StoreUsage).toSelf().inSingletonScope();
    bind(ImageStore).to(ContainersStorageImageStore).inSingletonScope();
    bind(ImageUsers).to(NoImageUsers).inSingletonScope();
    bind(StoreLocks).to(InProcessStoreLocks).inSingletonScope();
    bind(ImagePins).to(ContainersStorageImagePins).inSingletonScope();
    bind(ImageMounter).to(OverlayImageMounter).inSingletonScope();
    bind(ImageVolumes).to(DirectoryImageVolumes).inSingletonScope();
    bind(WorkDirs).toSelf().inSingletonScope();
    bind(SignaturePolicy).toSelf().inSingletonScope();
    bind(Skopeo).toSelf().inSingletonScope();
    bind(LeftoverLayers).toSelf().inSingletonScope();
    bind(PullNotes).toSelf().inSingletonScope();
    bind(ImageLeftovers).toSelf().inSingletonScope();
    bind(ImagePuller).toSelf().inSingletonScope();
    bind(PullSources).toSelf().inSingletonScope();
    bind(SharedPulls).toSelf().inSingletonScope();
    bind(PlainArchives).toSelf().inSingletonScope();
    bind(ArchiveLoader).toSelf().inSingletonScope();
    bind(ImageService).to(SkopeoImageService).inSingletonScope();
  });
}
