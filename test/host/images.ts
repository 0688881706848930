/** Where the images of the tests are, for tests that run on a host where `registry.mjs` was started. */

/** The loopback registry that serves the images to everybody, without TLS. */
export const testRegistry = '127.0.0.1:5000';

/** The loopback registry that asks for a name and a password, without TLS; it has these two images only. */
export const authRegistry = {
  address: '127.0.0.1:5001',
  username: 'podwright',
  password: 's3cret pass',
  busybox: '127.0.0.1:5001/podwright/busybox:1',
  stdout: '127.0.0.1:5001/podwright/stdout:1',
} as const;

/** A loopback address on which nothing listens. */
export const deadRegistry = '127.0.0.1:5009';

/** The references of the images; `build-images.mjs` says what each one is for. */
export const testImages = {
  busybox: image('busybox'),
  web: image('web'),
  layers: image('layers'),
  nonroot: image('nonroot'),
  nonrootUid: image('nonroot-uid'),
  stubborn: image('stubborn'),
  stdout: image('stdout'),
  signal: image('signal'),
  args: image('args'),
  noCommand: image('no-command'),
  env: image('env'),
  workdir: image('workdir'),
  pause: image('pause'),
} as const;

/** A repository that the registry does not have. */
export const absentImage = image('absent');

/** The busybox image in files, for loading, under the name `reference` in each. */
export const testArchives = {
  reference: 'localhost/podwright/busybox:archived',
  oci: '/run/podwright-test/busybox-oci.tar',
  docker: '/run/podwright-test/busybox-docker.tar',
} as const;

function image(name: string): string {
  return `${testRegistry}/podwright/${name}:1`;
}
