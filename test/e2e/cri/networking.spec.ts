// Names, name servers, addresses and ports of pods over a CRI socket.
import { networkInterfaces } from 'node:os';
import { cri } from '@podwright/cri-api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { testImages } from '../../host/images.js';
import { CriBed, type CriPod, eventually, expectRefusal } from '../support/cri-bed.js';

let bed: CriBed;

beforeAll(async () => {
  bed = await CriBed.start(testImages.web);
});

afterEach(() => bed.clean());

afterAll(() => bed[Symbol.asyncDispose]());

const PAGE = 'It works: a page from podwright.\n';

const startServer = (pod: CriPod) => bed.start(pod, { image: { image: testImages.web }, command: [] });

const page = (address: string) =>
  eventually(
    () => fetch(`http://${address}/`).then((response) => response.text(), String),
    (content) => content === PAGE,
  );

/** An address of this host that is not on loopback. */
const hostAddress = () =>
  Object.values(networkInterfaces())
    .flat()
    .find((each) => each?.family === 'IPv4' && !each.internal)?.address;

describe('the name of a pod', () => {
  it('is the one that is asked for', async () => {
    const pod = await bed.runPod({ hostname: 'test-hostname' });
    for (const id of [await bed.start(pod), await bed.start(pod)]) {
      expect(await bed.output(id, 'hostname')).toBe('test-hostname\n');
      expect(await bed.output(id, 'cat', '/etc/hostname')).toBe('test-hostname\n');
    }
  });
});

describe('name servers', () => {
  it('are those that are asked for, with domains and options', async () => {
    const pod = await bed.runPod({
      dnsConfig: {
        servers: ['10.10.10.10', '10.10.10.11'],
        searches: ['google.com', 'a.b'],
        options: ['ndots:8'],
      },
    });
    const text = await bed.output(await bed.start(pod), 'cat', '/etc/resolv.conf');
    for (const line of [
      'nameserver 10.10.10.10',
      'nameserver 10.10.10.11',
      'search google.com a.b',
      'options ndots:8',
    ])
      expect(text.split('\n')).toContain(line);
  });
});

describe('ports', () => {
  it('of a container without one on the host are reached by the address of the pod', async () => {
    const pod = await bed.runPod({ portMappings: [{ containerPort: 8080 }] });
    await startServer(pod);
    await page(`${(await bed.podStatus(pod)).network?.ip}:8080`);
  });

  it('of the host lead to those of the container, from anywhere, and are free again', async () => {
    for (const _ of [1, 2]) {
      const pod = await bed.runPod({ portMappings: [{ containerPort: 8080, hostPort: 12_000 }] });
      await startServer(pod);
      await page('127.0.0.1:12000');
      await page(`${hostAddress()}:12000`);
      await bed.removePod(pod.id);
      await expect(fetch('http://127.0.0.1:12000/')).rejects.toThrow();
    }
  });

  it('of the host may be those of one address only', async () => {
    const pod = await bed.runPod({
      portMappings: [
        { containerPort: 8080, hostPort: 12_000, hostIp: '127.0.0.1', protocol: cri.Protocol.TCP },
      ],
    });
    await startServer(pod);
    await page('127.0.0.1:12000');
    await expect(fetch(`http://${hostAddress()}:12000/`)).rejects.toThrow();
  });

  it('of one pod can be reached from another', async () => {
    const [server, client] = [await bed.runPod(), await bed.runPod()];
    await startServer(server);
    const ip = (await bed.podStatus(server)).network?.ip;
    const id = await bed.start(client);
    await eventually(
      () => bed.exec(id, 'wget', '-qO-', `http://${ip}:8080/`),
      ({ stdout }) => stdout === PAGE,
    );
  });
});

describe('addresses', () => {
  it('differ from pod to pod, and are given back', async () => {
    const pods = await Promise.all(Array.from({ length: 6 }, () => bed.runPod()));
    const addresses = await Promise.all(pods.map(async (pod) => (await bed.podStatus(pod)).network?.ip));
    expect(new Set(addresses).size).toBe(6);
    await Promise.all(pods.map(({ id }) => bed.removePod(id)));
    await expectRefusal(bed.podStatus(pods[0] ?? (await bed.runPod())));
  });
});
