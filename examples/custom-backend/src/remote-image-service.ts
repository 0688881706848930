import type { CallOptions, Image, ImageFsInfo, ImageService, PullEvent, PullOptions } from '@podwright/core';
import { inject, injectable } from 'inversify';
import { Observable } from 'rxjs';
import { RemoteHost } from './remote-host.js';

/** Images of the far side; paths of archives and of auth files are paths there. */
@injectable()
export class RemoteImageService implements ImageService {
  constructor(@inject(RemoteHost) private readonly host: RemoteHost) {}

  pullImage(reference: string, options?: PullOptions): Observable<PullEvent> {
    return new Observable((subscriber) => {
      const stop = new AbortController();
      const tell = async () => {
        const events = this.host.items('images', 'pullImage', [reference, options], { until: stop.signal });
        for await (const event of events) subscriber.next(event as PullEvent);
        subscriber.complete();
      };
      tell().catch((error: unknown) => subscriber.error(error));
      return () => stop.abort();
    });
  }

  imageStatus(reference: string, options?: CallOptions): Promise<Image | undefined> {
    return this.host.call('images', 'imageStatus', reference, options);
  }

  listImages(options?: CallOptions): Promise<readonly Image[]> {
    return this.host.call('images', 'listImages', options);
  }

  removeImage(reference: string, options?: CallOptions): Promise<void> {
    return this.host.call('images', 'removeImage', reference, options);
  }

  loadImage(
    path: string,
    options?: CallOptions & { readonly reference?: string },
  ): Promise<readonly Image[]> {
    return this.host.call('images', 'loadImage', path, options);
  }

  imageFsInfo(options?: CallOptions): Promise<ImageFsInfo> {
    return this.host.call('images', 'imageFsInfo', options);
  }
}
