import { injectable, type ServiceIdentifier } from 'inversify';

/** Who needs an image; a backend rebinds it. Asked before an image is deleted. */
export interface ImageUsers {
  /**
   * @param imageId `Image.id`
   * @returns who uses it, in words for a person, such as `container 4f1c… (web/nginx)`
   */
  users(imageId: string): Promise<readonly string[]>;
}

export const ImageUsers: ServiceIdentifier<ImageUsers> = Symbol.for('podwright.images.ImageUsers');

/** The default: nobody. */
@injectable()
export class NoImageUsers implements ImageUsers {
  users(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }
}
