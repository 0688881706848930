import { HostExecutor } from '@podwright/nsenter';
import { opaqueDirectories, readImageFile, type UserFiles } from '@podwright/oci';
import { inject, injectable } from 'inversify';

/** Images whose files are kept: a node runs few at a time, and each may have 4 MiB. */
const KEPT = 64;

/**
 * The passwd and group files of images, which say who a container's user is. An image's id is that of its content, so
 * what was read of it once stays true; to read it takes a process for each directory that a layer may hide.
 */
@injectable()
export class ImageUserFiles {
  private readonly files = new Map<string, Promise<UserFiles>>();

  constructor(@inject(HostExecutor) private readonly host: HostExecutor) {}

  /**
   * @param imageId of the image store
   * @param lowerDirs the image's layers on the host, uppermost first
   */
  async of(imageId: string, lowerDirs: readonly string[]): Promise<UserFiles> {
    const known = this.files.get(imageId);
    if (known) return await known;
    const read = this.read(lowerDirs);
    this.files.set(imageId, read);
    const [oldest] = this.files.keys();
    if (this.files.size > KEPT && oldest !== undefined) this.files.delete(oldest);
    try {
      return await read;
    } catch (error) {
      if (this.files.get(imageId) === read) this.files.delete(imageId);
      throw error;
    }
  }

  private async read(lowerDirs: readonly string[]): Promise<UserFiles> {
    const layers = lowerDirs.map((path) => this.host.hostPath(path));
    const root = this.host.hostPath('/').replace(/\/$/, '');
    const isOpaque = opaqueDirectories(this.host, (path) => path.slice(root.length));
    const [passwd, group] = await Promise.all([
      readImageFile(layers, '/etc/passwd', { isOpaque }),
      readImageFile(layers, '/etc/group', { isOpaque }),
    ]);
    return {
      ...(passwd === undefined ? {} : { passwd: passwd.toString('utf8') }),
      ...(group === undefined ? {} : { group: group.toString('utf8') }),
    };
  }
}
