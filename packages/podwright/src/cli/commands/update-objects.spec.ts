import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CliBed, IMAGE } from '../cli.spec-helper.js';

let bed: CliBed;

beforeEach(async () => {
  bed = await CliBed.start();
});

afterEach(async () => {
  await bed[Symbol.asyncDispose]();
});

async function withInput(text: string, ...args: readonly string[]) {
  const cli = bed.start(args);
  cli.stdin.end(text);
  return cli.ended;
}

const settings = (value: string, namespace = 'default') => `
apiVersion: v1
kind: ConfigMap
metadata: { name: settings, namespace: ${namespace} }
data: { key: "${value}" }
`;

const POD = `
apiVersion: v1
kind: Pod
metadata: { name: web }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: a
      image: ${IMAGE}
      command: [sleep, "1000"]
      env: [{ name: DATE, value: 2026-11-22 }]
      volumeMounts: [{ name: c, mountPath: /c }]
  volumes:
    - name: c
      configMap: { name: settings, defaultMode: 0640 }
`;

const content = async () =>
  (await bed.runtime.runInContainer({ name: 'web' }, ['cat', '/c/key'])).stdout.toString();

describe.each(['run', 'sync'])('%s of several documents', (command) => {
  it('gives a pod the objects of its namespace, and reads YAML as Kubernetes does', async () => {
    const text = [settings('1'), POD, settings('of another', 'other')].join('---');
    expect((await withInput(text, command, '-')).exitCode).toBe(0);
    expect(await content()).toBe('1');
    const { manifest } = await bed.runtime.getPodStatus({ name: 'web' });
    expect(manifest?.spec.volumes[0]?.configMap?.defaultMode).toBe(0o640);
    expect(manifest?.spec.containers[0]?.env[0]?.value).toBe('2026-11-22');
  });
});

describe('update-objects', () => {
  beforeEach(() => withInput(`${settings('1')}---${POD}`, 'run', '-'));

  it('changes the content of a running pod, and says of which objects', async () => {
    const { exitCode, stdout } = await withInput(settings('2'), 'update-objects', 'web', '-');
    expect([exitCode, stdout]).toEqual([0, 'default/web ConfigMap settings\n']);
    expect(await content()).toBe('2');
  });

  it.each([
    ['nobody', settings('2'), 'nobody'],
    ['web', settings('2', 'other'), 'namespace default'],
    ['web', 'kind: ConfigMap', 'standard input'],
  ])('refuses %s and %j', async (pod, text, words) => {
    const { exitCode, stderr } = await withInput(text, 'update-objects', pod, '-');
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain(words);
    expect(await content()).toBe('1');
  });
});
